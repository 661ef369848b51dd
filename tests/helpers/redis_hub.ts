/**
 * A server with a hub on a bus over Redis, also in a process of its own: `redis_hub.ts URL` prints its port, and ends by
 * itself after its input has ended. Its clients send `subscribe TOPIC` and `unsubscribe TOPIC`, which are answered by
 * "done", and `publish TOPIC`, which is followed by the message.
 */
import { Hub, wsServe } from "../../mod.ts";
import { redisBus } from "../../redis.ts";
import { Program } from "./program.ts";
import { LOCAL } from "./sockets.ts";

/** Starts one in this process. */
export async function serveHub(redis: string): Promise<{ port: number } & AsyncDisposable> {
  const onError = () => {}; // the server is killed, which is told
  const hub = new Hub({ bus: await redisBus({ url: redis, onError }), onError });
  const server = wsServe(async (conn) => {
    for await (const message of conn) {
      const [, verb, topic] = `${message}`.match(/^(\w+) (.*)$/)!;
      if (verb === "publish") hub.publish(topic!, (await conn.recv())!);
      else {
        if (verb === "subscribe") hub.subscribe(conn, topic!);
        else hub.unsubscribe(conn, topic);
        await conn.send("done");
      }
    }
  }, LOCAL);
  return {
    port: (server.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await hub[Symbol.asyncDispose]();
    },
  };
}

/** Starts one in a process of its own, with no more permissions than it needs. */
export async function spawnHub(redis: string): Promise<{ port: number } & AsyncDisposable> {
  const program = Program.deno(
    ["run", "--no-prompt", "--allow-net=127.0.0.1", import.meta.filename!, redis],
    { stdin: "piped" },
  );
  const [port] = await program.line(/^\d+$/);
  return {
    port: Number(port),
    async [Symbol.asyncDispose]() {
      await using ending = program;
      await ending.endInput();
      const { code } = await ending.status;
      if (code !== 0) throw new Error(`The hub's process ended with ${code}`);
    },
  };
}

if (import.meta.main) {
  await using server = await serveHub(Deno.args[0]!);
  console.log(server.port);
  for await (const _ of Deno.stdin.readable);
}
