/**
 * A WebSocket server behind a reverse proxy (nginx.conf, haproxy.cfg): tells each client who it is, and echoes.
 *
 *     deno run --allow-net examples/reverse_proxy/server.ts [--port 8001] [--proxy 127.0.0.1] [--ping-interval 30]
 *
 * `--proxy` is the address that the proxy connects from, the only one whose `X-Forwarded-*` are believed. Ctrl-C (SIGINT)
 * or SIGTERM ends it; every client is told 1001, and may come back at once.
 */
import { parseArgs } from "node:util";
import { wsServe } from "jsr:@wsconn/ws@^0.1";

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    port: { type: "string", default: "8001" },
    proxy: { type: "string", default: "127.0.0.1" },
    "ping-interval": { type: "string", default: "30" },
  },
});

/** Who is at the other end, and the URL that it has connected to. */
interface Client {
  address: string;
  url: string;
}

/** What the proxy says of a client. Anybody can send these headers: they count only if the peer is the proxy. */
function clientOf(line: string, headers: Headers, { hostname: peer }: Deno.NetAddr): Client {
  const said = (name: string) =>
    peer === options.proxy ? headers.get(name) ?? undefined : undefined;
  // the last one: what stands before was sent by the client, if the proxy adds to what it gets
  const address = said("x-forwarded-for")?.split(",").at(-1)?.trim() ?? peer;
  const scheme = said("x-forwarded-proto") === "https" ? "wss" : "ws";
  const host = said("x-forwarded-host") ?? headers.get("host");
  return { address, url: `${scheme}://${host}${line.split(" ")[1]}` };
}

const server = wsServe<Client>(async (conn, { address, url }) => {
  await conn.send(`Server ${Deno.pid}: you are ${address}, at ${url}`);
  for await (const message of conn) await conn.send(message);
}, {
  hostname: "127.0.0.1", // where only the proxy reaches it
  port: Number(options.port),
  compression: true,
  // less than the proxy's time-out, so that it does not cut a connection on which nothing is said
  pingInterval: Number(options["ping-interval"]),
  connHeaders: (line, headers, { remoteAddr }) => ({
    state: clientOf(line, headers, remoteAddr as Deno.NetAddr),
  }),
  onRequest: () => new Response("up\n"), // for health checks
  onListen: (addr) => console.log(`Listening on port ${(addr as Deno.NetAddr).port}`),
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, async () => {
    await server.shutdown();
    Deno.exit();
  });
}
