/**
 * One worker of the cluster, started by main.ts: an echo server that says which process answers. Put your own handler here.
 *
 *     deno run --unstable-net --allow-net examples/cluster/worker.ts [PORT]
 *
 * It prints the port once it listens, and shuts down when its standard input ends: because main.ts has closed it, or is
 * no more.
 */
import { wsServe } from "jsr:@wsconn/ws@^0.1";

const server = wsServe(async (conn) => {
  for await (const message of conn) await conn.send(`${Deno.pid}: ${message}`);
}, {
  port: Number(Deno.args[0] ?? 8080),
  reusePort: true,
  onListen: (addr) => console.log((addr as Deno.NetAddr).port),
});

Deno.addSignalListener("SIGINT", () => {}); // Ctrl-C in a terminal reaches all processes; main.ts decides
for await (const _ of Deno.stdin.readable);
await server.shutdown(); // every client is told 1001
Deno.exit();
