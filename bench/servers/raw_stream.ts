/** As raw_tcp.ts with `idle`, but through one ReadableStream that a reader waits on: what no library with streams can go below. */
import { sendAtOnce } from "../../transport.ts";

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(listener.addr.port);

async function echo(conn: Deno.Conn): Promise<void> {
  sendAtOnce(conn);
  const buffer = new Uint8Array(1024);
  const reader = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const length = await conn.read(buffer);
      if (length === null) controller.close();
      else controller.enqueue(buffer.slice(0, length));
    },
  }).getReader();
  for (let result; !(result = await reader.read()).done;) await conn.write(result.value);
  conn.close();
}

for await (const conn of listener) echo(conn).catch(() => {});
