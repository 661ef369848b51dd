/**
 * A relay by topic over any number of processes and machines: what a client sends to `ws://…/TOPIC` reaches all others on
 * the same path, wherever they are connected, if the same Redis (or Valkey) stands behind:
 *
 *     deno run --allow-net examples/hub_redis.ts 8001 redis://localhost:6379
 *     deno run --allow-net examples/hub_redis.ts 8002 redis://localhost:6379
 *
 * `http://localhost:8001/` tells a load balancer whether this process is connected to the others.
 */
import { Hub, wsServe } from "jsr:@wsconn/ws@^0.1";
import { redisBus } from "jsr:@wsconn/ws@^0.1/redis";

const [port = "8080", url = "redis://localhost:6379"] = Deno.args;

const bus = await redisBus({ url, prefix: "relay:" });
const hub = new Hub({ bus });

const server = wsServe(async (conn) => {
  const topic = conn.url.pathname;
  hub.subscribe(conn, topic);
  for await (const message of conn) hub.publish(topic, message, { except: conn });
}, {
  port: Number(port),
  onListen: (addr) => console.log(`Relay on ws://localhost:${(addr as Deno.NetAddr).port}/`),
  onRequest: () => new Response(null, { status: bus.connected ? 204 : 503 }),
});

Deno.addSignalListener("SIGINT", async () => {
  await server.shutdown(); // every client is told 1001
  await hub[Symbol.asyncDispose](); // and the bus with it
  Deno.exit();
});
