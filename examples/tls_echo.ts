/**
 * An echo server over TLS and a client that trusts its certificate, in one program:
 *
 *     deno run --allow-net --allow-read examples/tls_echo.ts
 */
import { wsConnect, wsServe } from "jsr:@wsconn/ws@^0.1";

const read = (name: string) => Deno.readTextFileSync(new URL(`certs/${name}`, import.meta.url));

await using server = wsServe(async (conn) => {
  for await (const message of conn) await conn.send(message);
}, {
  hostname: "127.0.0.1",
  port: 0,
  cert: read("localhost.pem"),
  key: read("localhost.key.pem"),
});

await using conn = await wsConnect(server.url, { caCerts: [read("ca.pem")] });
await conn.send("Hello over TLS");
console.log(server.url, await conn.recv());
