/**
 * An echo server that says what it has done: http://localhost:8080/stats as JSON, /metrics for Prometheus:
 *
 *     deno run --allow-net examples/stats.ts [--port 8080]
 */
import { wsServe, type WsServerStats } from "jsr:@wsconn/ws@^0.1";

/** The text format of Prometheus. */
function toPrometheus({ accepted, refused, open, sent, received }: WsServerStats): string {
  const metric = (name: string, type: "counter" | "gauge", samples: Record<string, number>) =>
    `# TYPE websocket_${name} ${type}\n` +
    Object.entries(samples).map(([labels, n]) => `websocket_${name}${labels} ${n}\n`).join("");
  const bothWays = (of: "messages" | "bytes" | "wireBytes") => ({
    '{direction="in"}': received[of],
    '{direction="out"}': sent[of],
  });
  return metric("connections_open", "gauge", { "": open }) +
    metric("connections_total", "counter", { "": accepted }) +
    metric("refused_total", "counter", { "": refused }) +
    metric("messages_total", "counter", bothWays("messages")) +
    metric("message_bytes_total", "counter", bothWays("bytes")) +
    metric("wire_bytes_total", "counter", bothWays("wireBytes"));
}

const flag = Deno.args.indexOf("--port");
const port = flag === -1 ? 8080 : Number(Deno.args[flag + 1]);

const server = wsServe(async (conn) => {
  for await (const message of conn) await conn.send(message);
  const { sent, received, roundTripTime } = conn.stats;
  console.log("Ended:", JSON.stringify({ sent, received, roundTripTime }));
}, {
  port,
  onListen: (addr) =>
    console.log(`Echo server on http://localhost:${(addr as Deno.NetAddr).port}/stats`),
  onRequest: (request): Response => {
    const { pathname } = new URL(request.url);
    if (pathname === "/stats") return Response.json(server.stats);
    if (pathname === "/metrics") {
      const headers = { "content-type": "text/plain; version=0.0.4" };
      return new Response(toPrometheus(server.stats), { headers });
    }
    return new Response("Not found", { status: 404 });
  },
});
