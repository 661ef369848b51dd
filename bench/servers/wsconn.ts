/**
 * `/` echoes; `/sink` counts messages and answers "END" with their number; `/source` obeys "SEND count size type";
 * `/broadcast` sends every message to all connections. The other servers do the same. Arguments: `tls`, and the mode of the job, of which
 * `deflate` asks for compression. This one only: `shared PORT`, to share a port with other processes.
 */
import { broadcast as toAll, type WsConn, wsServe } from "@wsconn/ws";
import { tls } from "./tls.ts";

async function echo(conn: WsConn): Promise<void> {
  for (let message; (message = await conn.recv()) !== null;) await conn.send(message);
}

async function sink(conn: WsConn): Promise<void> {
  let count = 0;
  for (let message; (message = await conn.recv()) !== null;) {
    if (message === "END") {
      await conn.send(String(count));
      count = 0;
    } else count++;
  }
}

async function source(conn: WsConn): Promise<void> {
  for (let message; (message = await conn.recv()) !== null;) {
    const [, count, size, type] = (message as string).split(" ");
    const text = "x".repeat(Number(size));
    const reply = type === "text" ? text : new TextEncoder().encode(text);
    for (let i = 0; i < Number(count); i++) await conn.send(reply);
  }
}

async function broadcast(conn: WsConn): Promise<void> {
  for (let message; (message = await conn.recv()) !== null;) {
    toAll(server.connections, message);
  }
}

const handlers: Record<string, (conn: WsConn) => Promise<void>> = {
  "/": echo,
  "/sink": sink,
  "/source": source,
  "/broadcast": broadcast,
};
const shared = Deno.args.indexOf("shared");
const server = wsServe((conn) => handlers[conn.line.split(" ")[1]!]!(conn), {
  ...tls,
  hostname: "127.0.0.1",
  port: shared === -1 ? 0 : Number(Deno.args[shared + 1]),
  reusePort: shared !== -1,
  maxMessageSize: 1 << 25,
  compression: Deno.args.includes("deflate"),
  onListen: (addr) => console.log((addr as Deno.NetAddr).port),
});
