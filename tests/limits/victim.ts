/**
 * The server that the tests of this folder attack, in a process of its own, so that what an attack costs can be seen
 * from outside: `victim.ts OPTIONS`, the options as JSON. Prints its port, then answers each line of its input with one of JSON.
 * It shuts down when its input ends, and must then end by itself.
 */
import { TextLineStream } from "@std/streams";
import { type WsConn, WsHandshakeError, WsProtocolError, wsServe } from "../../mod.ts";
import { certs } from "../helpers/certs.ts";
import type { Report, VictimOptions } from "./attack.ts";

const { tls = false, ...options }: VictimOptions = JSON.parse(Deno.args[0] ?? "{}");

let baseline = 0;
let peak = 0;
let poured = 0;
let errors: Record<string, number> = {};

function measure(): number {
  const { rss } = Deno.memoryUsage();
  peak = Math.max(peak, rss);
  return rss;
}

function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

async function serve(conn: WsConn): Promise<void> {
  if (conn.headers.has("x-pour")) {
    for (const part = new Uint8Array(64 * 1024);; poured++) await conn.send(part);
  }
  for await (const message of conn) await conn.send(message);
}

function onError(error: unknown): void {
  const { name, message } = error as Error;
  const code = error instanceof WsHandshakeError
    ? ` ${error.status}`
    : error instanceof WsProtocolError
    ? ` ${error.closeCode}`
    : "";
  const key = `${name}${code}: ${message}`;
  errors[key] = (errors[key] ?? 0) + 1;
}

const server = wsServe(serve, {
  hostname: "127.0.0.1",
  port: 0,
  ...(tls ? certs.server : {}),
  ...options,
  onError,
});
const sampling = setInterval(measure, 5);
console.log((server.addr as Deno.NetAddr).port);

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  .pipeThrough(new TextLineStream());
for await (const line of lines) {
  if (line === "begin") {
    collectGarbage();
    peak = 0;
    baseline = measure();
    errors = {};
  }
  measure();
  const report: Report = {
    cost: peak - baseline,
    connections: server.connections.size,
    poured,
    errors,
  };
  console.log(JSON.stringify(report));
}
clearInterval(sampling);
await server.shutdown();
