/**
 * Echoes bytes as raw_tcp.ts does, but tells each message of so many bytes through a ReadableStream and a WritableStream, both
 * bounded in bytes: what no library can go below whose connections are a pair of streams. The last argument is the
 * length of a message.
 */
import { frameHeaderSize } from "../../framing/frame.ts";
import { sendAtOnce } from "../../transport.ts";

const size = Number(Deno.args.at(-1));
const length = frameHeaderSize(size, true) + size;

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(listener.addr.port);

const BYTES = { highWaterMark: 64 * 1024, size: (length: number) => length };

async function echo(conn: Deno.Conn): Promise<void> {
  sendAtOnce(conn);
  const buffer = new Uint8Array(64 * 1024);
  await conn.write(buffer.subarray(0, (await conn.read(buffer))!)); // the request, which its sender wants back
  /** How many bytes stand in the buffer; how many of them have been answered, and are to be sent back. */
  let filled = 0;
  let answered = 0;
  const readable = new ReadableStream<number>({
    async pull(controller) {
      for (let at = 0; at < answered;) at += await conn.write(buffer.subarray(at, answered));
      buffer.copyWithin(0, answered, filled);
      filled -= answered;
      answered = 0;
      while (filled < length) {
        const read = await conn.read(buffer.subarray(filled));
        if (read === null) return controller.close();
        filled += read;
      }
      for (let at = length; at <= filled; at += length) controller.enqueue(length);
    },
  }, { ...BYTES, highWaterMark: 0 });
  const writable = new WritableStream<number>({
    write(length) {
      answered += length;
    },
  }, BYTES);
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (let result; !(result = await reader.read()).done;) await writer.write(result.value);
  conn.close();
}

for await (const conn of listener) echo(conn).catch(() => {});
