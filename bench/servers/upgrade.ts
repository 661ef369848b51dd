/** The server's side of an opening handshake that believes everything. */
import { acceptKey } from "../../handshake/challenge.ts";
import { formatHead, HeadReader } from "../../handshake/head.ts";
import { readHead, sendAtOnce, writeAll } from "../../transport.ts";

/** Makes a WebSocket of a connection, of which nothing but frames follows. */
export async function upgrade(conn: Deno.Conn): Promise<void> {
  sendAtOnce(conn);
  const reader = new HeadReader();
  await readHead(conn, reader);
  const head: [string, string][] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", acceptKey(reader.request().headers.get("sec-websocket-key")!)],
  ];
  await writeAll(conn, formatHead("HTTP/1.1 101 Switching Protocols", head));
}
