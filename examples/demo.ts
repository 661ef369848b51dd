/**
 * The main job in one program, `deno task demo`: an echo server over ws:// and over wss://, a client of both, text,
 * binary and a large message, and a clean end.
 */
import { type WsConn, wsConnect, type WsMessage, wsServe } from "jsr:@wsconn/ws@^0.1";

const read = (name: string) => Deno.readTextFileSync(new URL(`certs/${name}`, import.meta.url));
const certificate = { cert: read("localhost.pem"), key: read("localhost.key.pem") };

async function echo(conn: WsConn): Promise<void> {
  for await (const message of conn) await conn.send(message);
}

function show(message: WsMessage | null): string {
  if (typeof message === "string") return JSON.stringify(message);
  if (message === null) return "the end";
  const bytes = message.length === 1 << 20 ? "1 MiB of binary" : `${message.length} bytes`;
  return message.length > 16 ? bytes : `${bytes}: ${message.join(" ")}`;
}

function same(a: WsMessage, b: WsMessage | null): boolean {
  if (typeof a === "string" || typeof b === "string" || b === null) return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

const messages: WsMessage[] = [
  "Hello",
  "Grüße, 世界 👋",
  Uint8Array.of(0, 1, 2, 253, 254, 255),
  crypto.getRandomValues(new Uint8Array(1 << 16)),
  new Uint8Array(1 << 20).map((_, at) => at),
];

for (const tls of [undefined, certificate]) {
  await using server = wsServe(echo, { hostname: "127.0.0.1", port: 0, ...tls });
  const conn = await wsConnect(server.url, { caCerts: [read("ca.pem")] });
  console.log(`${server.url}  ${conn.line}`);
  for (const message of messages) {
    const start = performance.now();
    await conn.send(message);
    const reply = await conn.recv();
    const time = (performance.now() - start).toFixed(2);
    console.log(`  → ${show(message)}\n  ← ${show(reply)}  (${time} ms)`);
    if (!same(message, reply)) throw new Error("The echo differs from what was sent");
  }
  console.log(`  ping ${(await conn.ping()).toFixed(2)} ms`);
  const { code, wasClean } = await conn.close();
  console.log(`  closed: ${code}, ${wasClean ? "clean" : "not clean"}\n`);
}
console.log("Done: all that was sent came back.");
