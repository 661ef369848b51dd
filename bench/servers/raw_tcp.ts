/** Echoes bytes, with no WebSocket: what the sockets of Deno cost by themselves. Arguments: `tls`, `idle`. */
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

for await (const conn of listener) echo(conn).catch(() => {});
