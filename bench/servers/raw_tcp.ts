/** Echoes bytes, with no WebSocket: what the sockets of Deno cost by themselves. */
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(listener.addr.port);

async function echo(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay();
  const buffer = new Uint8Array(65536);
  for (let length; (length = await conn.read(buffer)) !== null;) {
    for (let at = 0; at < length;) at += await conn.write(buffer.subarray(at, length));
  }
  conn.close();
}

for await (const conn of listener) echo(conn).catch(() => {});
