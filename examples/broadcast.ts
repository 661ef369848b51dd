/**
 * A ticker: every second one message to everybody who is connected, encoded once. Whoever does not keep up misses some.
 *
 *     deno run --allow-net examples/broadcast.ts [--port 8080]
 */
import { broadcast, wsServe } from "jsr:@wsconn/ws@^0.1";

const flag = Deno.args.indexOf("--port");
const port = flag === -1 ? 8080 : Number(Deno.args[flag + 1]);

const server = wsServe(async (conn) => {
  for await (const _ of conn); // whatever they say
}, {
  port,
  onListen: (addr) => console.log(`Ticker on ws://localhost:${(addr as Deno.NetAddr).port}/`),
});

let price = 100;
setInterval(() => {
  price += Math.random() - 0.5;
  const message = JSON.stringify({ time: Date.now(), price });
  const { sent, skipped } = broadcast(server.connections, message, { maxBuffered: 64 * 1024 });
  if (sent + skipped > 0) console.log(`Sent to ${sent}, skipped ${skipped}`);
}, 1000);
