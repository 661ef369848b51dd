/** Buses over a real redis-server: what they carry, and to whom. What becomes of them in an outage: tests/redis/. */
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type { WsMessage } from "../mod.ts";
import { redisBus, type RedisBusOptions } from "../redis.ts";
import { certs } from "./helpers/certs.ts";
import { runDeno } from "./helpers/program.ts";
import {
  inbox,
  MESSAGES,
  needsRedis,
  observed,
  quiet,
  RedisServer,
  stranger,
} from "./helpers/redis.ts";

const TOPICS = ["", "\ufeff", "a", "a*", "[ab]?", "with spaces\r\nand lines", "Grüße 👋", "\0"];

Deno.test({
  ...needsRedis("what a bus publishes reaches the others as it is, in order, and never itself"),
  async fn(t) {
    const pem = (name: string) =>
      new URL(`../examples/certs/${name}.pem`, import.meta.url).pathname;
    await using plain = await RedisServer.start("--unixsocket", "FOLDER/redis.sock");
    await using secure = await RedisServer.start(
      ...["--port", "0", "--tls-port", "PORT", "--requirepass", "p@ss:word"],
      ...["--tls-cert-file", pem("localhost"), "--tls-key-file", pem("localhost.key")],
      ...["--tls-ca-cert-file", pem("ca"), "--tls-auth-clients", "yes"],
    );
    const ways: [name: string, options: RedisBusOptions][] = [
      ["redis:", { url: plain.url }],
      ["redis:, with the protocol of before Redis 6", { url: plain.url, client: { RESP: 2 } }],
      ["unix:, without a prefix", { url: `unix://${plain.folder}/redis.sock`, prefix: "" }],
      ["rediss:, with certificates of both sides and a password", {
        url: new URL(`rediss://default:p%40ss%3Aword@localhost:${secure.port}/1`),
        caCerts: [certs.ca],
        ...certs.client,
      }],
    ];
    for (const [name, options] of ways) {
      await t.step(name, async () => {
        await using a = await quiet(options);
        await using b = await quiet(options);
        await using c = await quiet(options);
        for (const topic of TOPICS) {
          const boxes = await Promise.all([a, b, c].map((bus) => inbox(bus, topic)));
          for (const message of MESSAGES) void a.publish(topic, message);
          await b.publish(topic, "from b");
          for (const message of MESSAGES) assertEquals(await boxes[1]!.next(), message);
          assertEquals(await boxes[0]!.next(), "from b"); // and nothing of its own before
          const received = [];
          for (let i = 0; i <= MESSAGES.length; i++) received.push(await boxes[2]!.next());
          assertEquals(received.filter((message) => message !== "from b"), MESSAGES);
        }
      });
    }
  },
});

Deno.test({
  ...needsRedis("what was published before close goes out; the bus then refuses everything"),
  async fn() {
    await using server = await RedisServer.start();
    await using receiver = await quiet({ url: server.url });
    const box = await inbox(receiver, "t");
    const bus = await quiet({ url: server.url });
    const published = Array.from({ length: 1000 }, (_, i) => bus.publish("t", `${i}`));
    await Promise.all([bus.close(), bus.close()]);
    await Promise.all(published);
    for (let i = 0; i < 1000; i++) assertEquals(await box.next(), `${i}`);
    assertEquals(bus.connected, false);
    await assertRejects(() => bus.publish("t", ""), Error, 'publish to "t": the bus is closed');
    await assertRejects(() => bus.subscribe("t", () => {}), Error, "the bus is closed");
    await bus.unsubscribe("t");
    await bus.close();
  },
});

Deno.test({
  ...needsRedis("subscribing and unsubscribing in quick succession: the last one counts"),
  async fn() {
    await using server = await RedisServer.start();
    await using a = await quiet({ url: server.url });
    await using b = await quiet({ url: server.url });
    const first = await inbox(b, "t");
    const last = await inbox(b, "last");
    await assertRejects(() => b.subscribe("t", () => {}), Error, "subscribed to already");
    await a.publish("t", 1 + "");
    assertEquals(await first.next(), "1");
    const late: WsMessage[] = [];
    for (let i = 0; i < 5; i++) {
      void b.unsubscribe("t");
      void b.subscribe("t", (message) => void late.push(message));
    }
    await b.unsubscribe("t");
    await a.publish("t", "nobody");
    const again = await inbox(b, "t");
    await a.publish("t", "2");
    await a.publish("last", "end");
    assertEquals(await again.next(), "2");
    assertEquals(await last.next(), "end");
    assertEquals(late, []);
    await using peer = await stranger(server);
    await b.unsubscribe("t");
    assertEquals(await peer.client.pubSubChannels(), ["ws:last"]);
  },
});

Deno.test({
  ...needsRedis("buses of different prefixes do not see each other"),
  async fn() {
    await using server = await RedisServer.start();
    const [red, alsoRed, blue] = await Promise.all(
      ["red:", "red:", "blue:"].map((prefix) => quiet({ url: server.url, prefix })),
    );
    await using _buses = {
      [Symbol.asyncDispose]: async () => {
        await Promise.all([red, alsoRed, blue].map((bus) => bus!.close()));
      },
    };
    const box = await inbox(red!, "t");
    await inbox(blue!, "t");
    await blue!.publish("t", "blue");
    await alsoRed!.publish("t", "red");
    assertEquals(await box.next(), "red");
  },
});

Deno.test({
  ...needsRedis(
    "what is no message of a hub is ignored and reported, and what is too long, and what a subscriber throws",
  ),
  async fn() {
    await using server = await RedisServer.start();
    await using a = await quiet({ url: server.url });
    const { bus, errors } = await observed({ url: server.url, maxMessageSize: 1000 });
    await using b = bus;
    const box = await inbox(b, "t");
    await b.subscribe("broken", () => {
      throw new Error("the subscriber's own");
    });
    await using peer = await stranger(server);
    await peer.client.publish("ws:t", "garbage");
    await peer.client.publish("ws:t", "");
    await peer.client.publish("ws:t", "ws\u0002\u0001" + "0".repeat(100));
    await peer.client.publish("ws:other", "garbage that nobody has asked for");
    await a.publish("t", "x".repeat(1001));
    await a.publish("broken", "");
    await a.publish("t", "x".repeat(1000));
    assertEquals(await box.next(), "x".repeat(1000));
    assertEquals(errors, [
      'Ignored what came for "t": It is not from a bus of @wsconn/ws',
      'Ignored what came for "t": It is not from a bus of @wsconn/ws',
      'Ignored what came for "t": Its envelope is of version 2, expected 1',
      'Ignored what came for "t": The message has 1001 bytes, maxMessageSize is 1000 bytes',
      "the subscriber's own",
    ]);
    await assertRejects(() => b.publish("t", "x".repeat(1001)), RangeError, "1001 bytes");
    await assertRejects(() => b.publish("\ud800", ""), TypeError, "lone surrogates");
    await assertRejects(() => b.subscribe("\udc00", () => {}), TypeError, "lone surrogates");
  },
});

Deno.test({
  ...needsRedis("a server that asks for a password: it is in the URL, or the bus is not made"),
  async fn() {
    await using server = await RedisServer.start("--requirepass", "open sesame");
    const at = `127.0.0.1:${server.port}`;
    await using a = await quiet({ url: `redis://:open%20sesame@${at}` });
    await using b = await quiet({
      url: `redis://${at}`,
      client: { username: "default", password: "open sesame", name: "b" },
    });
    const box = await inbox(b, "t");
    await a.publish("t", "hello");
    assertEquals(await box.next(), "hello");
    for (const [url, why] of [[`redis://:wrong@${at}`, "WRONGPASS"], [`redis://${at}`, "NOAUTH"]]) {
      const error = await assertRejects(
        () => redisBus({ url: url! }),
        Error,
        `Cannot connect to redis://${at}: ${why}`,
      );
      assertInstanceOf(error.cause, Error);
    }
  },
});

Deno.test({
  ...needsRedis(
    "a user with no more rights than the guide names; another channel is refused, and the rest goes on",
  ),
  async fn() {
    const guide = await Deno.readTextFile(new URL("../docs/guide/scaling.md", import.meta.url));
    const [, rights = ""] = guide.match(/`(\+publish [^`]+)`/)!;
    await using server = await RedisServer.start(
      ...["--user", "ann", "on", ">pw", ...rights.split(/\s+/), "resetchannels", "&shop:mine"],
    );
    const options = {
      url: `redis://ann:pw@127.0.0.1:${server.port}`,
      prefix: "shop:",
      pingInterval: 0.01,
    };
    await using a = await quiet(options);
    await using b = await quiet({ ...options, client: { RESP: 2 } });
    for (const bus of [a, b]) {
      const refused = () => bus.subscribe("other", () => {});
      await assertRejects(refused, Error, 'Cannot subscribe to "other": NOPERM');
      await assertRejects(() => bus.publish("other", ""), Error, "NOPERM");
    }
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const box = await inbox(to, "mine");
      await from.publish("mine", "hello");
      assertEquals(await box.next(), "hello");
      await to.unsubscribe("mine");
    }
  },
});

Deno.test("nobody but ./redis loads npm redis", async () => {
  const loads = async (file: string) => {
    const path = new URL(`../${file}`, import.meta.url).pathname;
    return (await runDeno(["info", "--json", path])).includes("npm:redis@");
  };
  assertEquals(await Promise.all(["redis.ts", "mod.ts", "server.ts"].map(loads)), [
    true,
    false,
    false,
  ]);
});

Deno.test("options that are wrong are refused before anything is connected to", async () => {
  const cases: [options: RedisBusOptions, error: new () => Error, message: string][] = [
    [{ url: "secret" }, TypeError, "Cannot use the url of the server: it is none"],
    [{ url: "http://x" }, TypeError, "url must be redis:, rediss: or unix:"],
    [{ url: "redis://x", maxMessageSize: -1 }, RangeError, "current value is -1"],
    [{ url: "redis://x", maxBuffered: NaN }, RangeError, "maxBuffered must be a number of bytes"],
    [{ url: "redis://x", serverTimeout: -1 }, RangeError, "serverTimeout must be"],
    [{ url: "redis://x", pingInterval: NaN }, RangeError, "pingInterval must be"],
  ];
  for (const [options, error, message] of cases) {
    await assertRejects(() => redisBus(options), error, message);
  }
});
