/**
 * Echoes bytes, with no WebSocket: what the sockets of Deno cost by themselves. Arguments: `tls`, and the mode of the job, of
 * which `idle` asks for small buffers and `broadcast` for writing to all connections.
 */
import { sendAtOnce } from "../../transport.ts";
import { tls } from "./tls.ts";

const where = { hostname: "127.0.0.1", port: 0 };
const listener = tls ? Deno.listenTls({ ...where, ...tls }) : Deno.listen(where);
console.log((listener.addr as Deno.NetAddr).port);

/** Most of what an idle connection holds is its buffer. */
const BUFFER = Deno.args.includes("idle") ? 1024 : 65536;

async function echo(conn: Deno.Conn): Promise<void> {
  sendAtOnce(conn);
  const buffer = new Uint8Array(BUFFER);
  for (let length; (length = await conn.read(buffer)) !== null;) {
    for (let at = 0; at < length;) at += await conn.write(buffer.subarray(at, length));
  }
  conn.close();
}

const conns: Deno.Conn[] = [];

/** Writes everything to everybody. */
async function broadcast(conn: Deno.Conn): Promise<void> {
  sendAtOnce(conn);
  const head = new Uint8Array(1024); // the request, which its sender wants back
  await conn.write(head.subarray(0, (await conn.read(head))!));
  conns.push(conn);
  const buffer = new Uint8Array(4096);
  for (let length; (length = await conn.read(buffer)) !== null;) {
    const bytes = buffer.slice(0, length);
    for (const other of conns) void other.write(bytes); // short enough to fit in any socket
  }
}

const serve = Deno.args.includes("broadcast") ? broadcast : echo;
for await (const conn of listener) serve(conn).catch(() => {});
