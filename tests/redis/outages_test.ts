/** Buses whose server is killed, silenced, started again, or was never there. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type RedisBus, redisBus } from "../../redis.ts";
import type { WsMessage } from "../../mod.ts";
import { eventually, inbox, needsRedis, observed, RedisServer } from "../helpers/redis.ts";
import { LOCAL } from "../helpers/sockets.ts";

/** Publishes one message after the other until one has arrived, as nothing tells when the server has taken a subscription. */
async function arrives(from: RedisBus, to: { next(): Promise<WsMessage> }, topic: string) {
  let arrived = false;
  const next = to.next().then(() => arrived = true);
  await eventually(async () => {
    await from.publish(topic, "probe").catch(() => {});
    return arrived;
  });
  await next;
}

Deno.test({
  ...needsRedis(
    "the server is killed and comes back: so do all subscriptions, also those made meanwhile",
  ),
  async fn() {
    await using server = await RedisServer.start();
    const { bus: a, errors } = await observed({ url: server.url });
    await using _a = a;
    const { bus: b } = await observed({ url: server.url });
    await using _b = b;
    const topics = Array.from({ length: 500 }, (_, i) => `topic ${i}`);
    const boxes = await Promise.all(topics.map((topic) => inbox(b, topic)));
    const own = await inbox(a, "own");
    await b.subscribe(
      "unwanted",
      () => assert(false, "unsubscribed from while the server was away"),
    );
    for (let round = 0; round < 2; round++) {
      await server.kill();
      const refused = errors.length;
      await eventually(() => errors.slice(refused).some((error) => error.includes("ECONNREFUSED")));
      await eventually(() => !b.connected);
      await assertRejects(() => a.publish("topic 0", "lost"), Error, "there is no connection");
      topics.push(`made meanwhile ${round}`);
      boxes.push(await inbox(b, topics.at(-1)!));
      await b.unsubscribe("unwanted");
      await server.restart();
      await eventually(() => a.connected && b.connected);
      await arrives(b, own, "own");
      await arrives(a, boxes.at(-1)!, topics.at(-1)!); // the last to be subscribed to
      for (const topic of [...topics, "unwanted"]) await a.publish(topic, `${round}: ${topic}`);
      for (const [i, box] of boxes.entries()) {
        let message;
        do message = await box.next(); while (message === "probe");
        assertEquals(message, `${round}: ${topics[i]}`);
      }
    }
    const gone = errors.filter((message) => message.startsWith(`No connection to ${server.url}: `));
    assertEquals(gone, errors);
  },
});

Deno.test({
  ...needsRedis(
    "a server that says nothing is noticed; what it was asked for, and did not get to, is asked again",
  ),
  async fn() {
    await using server = await RedisServer.start();
    const options = { url: server.url, pingInterval: 0.5, serverTimeout: 1, maxBuffered: 2500 };
    const { bus: a, errors } = await observed(options);
    await using _a = a;
    const { bus: b } = await observed(options);
    await using _b = b;
    server.signal("SIGSTOP");
    const subscribing = b.subscribe("on its way", (message) => void received.push(message));
    const received: WsMessage[] = [];
    const publishing = [1, 2].map(() =>
      assertRejects(() => a.publish("t", "x".repeat(1000)), Error, 'Publishing to "t" was not')
    );
    await assertRejects(
      () => a.publish("t", "x".repeat(1000)),
      Error,
      "2040 of 2500 bytes wait already, and it has 1020",
    );
    await Promise.all(publishing);
    await subscribing;
    await eventually(() => !a.connected && !b.connected);
    const silent = /did not answer within 1 s/;
    assert(errors.some((message) => silent.test(message)), errors.join("\n"));
    await assertRejects(() => redisBus(options), Error, "did not answer within 1 s");
    await server.kill(); // and so nothing is left of what it was asked
    await server.restart();
    await eventually(async () => {
      await a.publish("on its way", "here").catch(() => {});
      return received.length > 0;
    });
    assertEquals(received[0], "here");
  },
});

Deno.test({
  ...needsRedis("a bus is closed at any time, and nothing is left of it"),
  async fn() {
    await using server = await RedisServer.start();
    const options = { url: server.url, serverTimeout: 1 };
    const away = await observed(options), silenced = await observed(options);
    const early = await observed(options);
    for (const { bus } of [away, silenced, early]) await bus.subscribe("t", () => {});
    const closing = early.bus.close(); // while it is killed
    await server.kill();
    await closing;
    await eventually(() => away.errors.some((message) => message.includes("ECONNREFUSED")));
    await away.bus.close(); // between two attempts
    await server.restart();
    await eventually(() => silenced.bus.connected);
    server.signal("SIGSTOP");
    const lost = assertRejects(() => silenced.bus.publish("t", "lost"), Error, "not confirmed");
    await silenced.bus.close(); // with a message that is never confirmed
    await lost;
  },
});

Deno.test("a server that is not there: the bus is not made, and says why without the password", async () => {
  const error = await assertRejects(
    () => redisBus({ url: "redis://user:secret@127.0.0.1:1/2" }),
    Error,
    "Cannot connect to redis://127.0.0.1:1/2: connect ECONNREFUSED",
  );
  assert(!Deno.inspect(error).includes("secret"));
});

Deno.test("a server that cannot be connected to in time, in plain or over TLS: nothing is left of the attempt", async () => {
  using silent = Deno.listen({ ...LOCAL, tcpBacklog: 1 }); // accepts nothing: after two connections, not even TCP's
  const { port } = silent.addr;
  const client = { socket: { connectTimeout: 60_000 } };
  for (const scheme of ["rediss", "rediss", "rediss", "redis"]) {
    await assertRejects(
      () => redisBus({ url: `${scheme}://127.0.0.1:${port}`, serverTimeout: 0.1, client }),
      Error,
      `Cannot connect to ${scheme}://127.0.0.1:${port}: The server did not answer within 0.1 s`,
    );
  }
  if (Deno.build.os !== "linux") return;
  const connecting = new RegExp(`:${port.toString(16).padStart(4, "0")} 02 `, "i"); // to the port, SYN_SENT
  await eventually(async () => !connecting.test(await Deno.readTextFile("/proc/net/tcp")));
});
