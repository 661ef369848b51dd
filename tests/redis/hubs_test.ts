/** Hubs on buses over Redis, in processes of their own, and WebSocket clients of them. */
import { assertEquals } from "@std/assert";
import { type WsConn, wsConnect, type WsMessage } from "../../mod.ts";
import { eventually, MESSAGES, needsRedis, RedisServer, stranger } from "../helpers/redis.ts";
import { serveHub, spawnHub } from "../helpers/redis_hub.ts";

/** A client of a hub, and what it receives. */
class Client implements AsyncDisposable {
  private constructor(readonly conn: WsConn) {}

  static async connect({ port }: { port: number }): Promise<Client> {
    return new Client(await wsConnect(`ws://127.0.0.1:${port}/`));
  }

  async subscribe(...topics: string[]): Promise<void> {
    for (const topic of topics) await this.#ask(`subscribe ${topic}`);
  }

  async unsubscribe(topic: string): Promise<void> {
    await this.#ask(`unsubscribe ${topic}`);
  }

  async #ask(what: string): Promise<void> {
    await this.conn.send(what);
    assertEquals(await this.conn.recv(), "done");
  }

  async publish(topic: string, message: WsMessage): Promise<void> {
    await this.conn.send(`publish ${topic}`);
    await this.conn.send(message);
  }

  /** Waits until what this client publishes reaches another, at which nothing else arrives. */
  async reaches(other: Client, topic: string): Promise<void> {
    const arrived = other.conn.ready().then(() => true);
    const wait = () => new Promise<boolean>((resolve) => setTimeout(resolve, 20, false));
    do await this.publish(topic, "probe"); while (!await Promise.race([arrived, wait()]));
    await this.publish(topic, "the last probe");
    let message;
    while ((message = await other.conn.recv()) !== "the last probe") assertEquals(message, "probe");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.conn.close();
  }
}

Deno.test({
  ...needsRedis(
    "two hubs in two processes share their topics, before and after the server is killed",
  ),
  async fn() {
    await using redis = await RedisServer.start();
    await using here = await serveHub(redis.url);
    await using there = await spawnHub(redis.url);
    await using ann = await Client.connect(here);
    await using bob = await Client.connect(there);
    await using peer = await stranger(redis);
    const carried = (channel: string, count: number) =>
      eventually(async () => (await peer.client.pubSubNumSub([channel]))[channel] === count);

    await ann.subscribe("ann");
    await bob.subscribe("bob", "both");
    await ann.subscribe("both");
    await carried("ws:both", 2);
    for (const [from, to] of [[ann, bob], [bob, ann]] as const) {
      for (const message of MESSAGES) await from.publish("both", message);
      for (const message of MESSAGES) assertEquals(await to.conn.recv(), message);
      for (const message of MESSAGES) assertEquals(await from.conn.recv(), message); // once
    }

    await bob.unsubscribe("both");
    await carried("ws:both", 1);
    await ann.publish("both", "without bob");
    assertEquals(await ann.conn.recv(), "without bob");
    await ann.publish("bob", "for bob");
    assertEquals(await bob.conn.recv(), "for bob");
    await bob.subscribe("both");

    await peer.client.close();
    await redis.kill();
    await bob.subscribe("made meanwhile");
    await ann.publish("both", "local");
    assertEquals(await ann.conn.recv(), "local");
    await ann.unsubscribe("both");
    await redis.restart();

    await ann.reaches(bob, "bob");
    await bob.reaches(ann, "ann");
    await ann.reaches(bob, "made meanwhile");
    await ann.publish("both", "again"); // and what was published meanwhile is lost
    assertEquals(await bob.conn.recv(), "again");
    await bob.publish("both", "for bob alone");
    assertEquals(await bob.conn.recv(), "for bob alone");
    await bob.publish("ann", "for ann");
    assertEquals(await ann.conn.recv(), "for ann");
  },
});
