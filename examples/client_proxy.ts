/**
 * A client behind a proxy that wants a user name and password. The proxy is in here too, thirty lines for a try:
 *
 *     deno run --allow-net examples/client_proxy.ts
 */
import { wsConnect, WsHandshakeError, wsServe } from "jsr:@wsconn/ws@^0.1";

const local = { hostname: "127.0.0.1", port: 0 };

await using server = wsServe(async (conn) => {
  for await (const message of conn) await conn.send(`You said ${message}`);
}, local);

using listener = Deno.listen(local);
const serving = serveProxy(listener, "Basic " + btoa("ada:secret"));
const address = `127.0.0.1:${listener.addr.port}`;

{
  await using conn = await wsConnect(server.url, { proxy: `http://ada:secret@${address}` });
  await conn.send("hello");
  console.log(await conn.recv());
}
try {
  await wsConnect(server.url, { proxy: `http://${address}` });
} catch (error) {
  if (!(error instanceof WsHandshakeError)) throw error;
  console.log(error.status, error.message);
}
listener.close();
await serving;

/** Tunnels for those who know the password (RFC 9110 §9.3.6). A proxy for more than a try has limits, too. */
async function serveProxy(listener: Deno.TcpListener, authorization: string): Promise<void> {
  for await (const conn of listener) await tunnel(conn, authorization).catch(() => {});
}

async function tunnel(client: Deno.TcpConn, authorization: string): Promise<void> {
  let head = "";
  const buffer = new Uint8Array(4096);
  while (!head.endsWith("\r\n\r\n")) {
    const length = await client.read(buffer);
    if (length === null || head.length > 16_000) return client.close();
    head += new TextDecoder().decode(buffer.subarray(0, length));
  }
  const answer = (text: string) =>
    client.write(new TextEncoder().encode(`HTTP/1.1 ${text}\r\n\r\n`));
  if (!head.includes(`\r\nProxy-Authorization: ${authorization}\r\n`)) {
    await answer("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic");
    return client.close();
  }
  const [, hostname = "", port] = head.match(/^CONNECT (\S+):(\d+) /) ?? [];
  const server = await Deno.connect({ hostname, port: Number(port) });
  await answer("200 Connected");
  await Promise.all([
    client.readable.pipeTo(server.writable),
    server.readable.pipeTo(client.writable),
  ]);
}
