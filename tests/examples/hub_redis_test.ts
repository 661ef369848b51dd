import { assertEquals } from "@std/assert";
import { wsConnect } from "../../mod.ts";
import { example, Program } from "../helpers/program.ts";
import { eventually, needsRedis, RedisServer } from "../helpers/redis.ts";

/** Starts a relay with the permission that its comment names. */
async function startRelay(redis: string) {
  const program = Program.deno(
    ["run", "--no-prompt", "--allow-net", example("hub_redis.ts"), "0", redis],
    { stderr: "null" }, // where it tells that Redis is gone
  );
  const [, url = ""] = await program.line(/^Relay on (ws:\/\/localhost:\d+\/)$/);
  return {
    url: url.replace("localhost", "127.0.0.1"),
    async health() {
      const response = await fetch(this.url.replace("ws:", "http:"));
      await response.body?.cancel();
      return response.status;
    },
    async end() {
      assertEquals((await program.end("SIGINT")).code, 0);
    },
  };
}

Deno.test({
  ...needsRedis(
    "hub_redis: two relays on different ports share their topics, also after Redis was gone",
  ),
  async fn() {
    await using redis = await RedisServer.start();
    const one = await startRelay(redis.url), two = await startRelay(redis.url);
    await using ann = await wsConnect(new URL("/kitchen", one.url));
    await using bob = await wsConnect(new URL("/kitchen?a=b", two.url));
    await using carol = await wsConnect(new URL("/cellar", two.url));
    /** Sends until it has arrived: nothing tells when a relay has subscribed. */
    const reach = async (text: string) => {
      let arrived = false;
      const receiving = (async () => {
        while (await bob.recv() !== text);
        arrived = true;
      })();
      await eventually(async () => {
        await ann.send(text);
        return arrived;
      });
      await receiving;
    };
    await reach("Dinner is ready");
    assertEquals(await one.health(), 204);
    await redis.kill();
    await eventually(async () => await one.health() === 503 && await two.health() === 503);
    await redis.restart();
    await eventually(async () => await one.health() === 204 && await two.health() === 204);
    await reach("Dinner is cold");
    await Promise.all([one.end(), two.end()]);
    for (const conn of [ann, bob]) assertEquals((await conn.finished).code, 1001);
    assertEquals(await carol.recv(), null); // who has heard of nothing
  },
});
