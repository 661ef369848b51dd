/** What the client and the server do with a connection before it is a WebSocket. */
import { concat } from "@std/bytes";
import type { BodyDecoder } from "./handshake/body.ts";
import type { HeadReader } from "./handshake/head.ts";

/** How long a connection is kept after it was refused, so that the peer can read why. */
const LINGER = 1000;

/** Writes all of `bytes`. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

/** Reads until the head is complete; `false` if the connection ends before. */
export async function readHead(conn: Deno.Conn, reader: HeadReader): Promise<boolean> {
  const buffer = new Uint8Array(2048);
  for (;;) {
    const length = await conn.read(buffer);
    if (length === null) return false;
    if (reader.push(buffer.subarray(0, length))) return true;
  }
}

/** Adds what arrives to `bytes` until there are `length` of them; `undefined` if the connection ends before. */
export async function readAtLeast(
  conn: Deno.Conn,
  bytes: Uint8Array,
  length: number,
): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(1024);
  while (bytes.length < length) {
    const read = await conn.read(buffer);
    if (read === null) return undefined;
    bytes = concat([bytes, buffer.subarray(0, read)]);
  }
  return bytes;
}

/** The body of an HTTP message, of which `rest` has been read already; at most `limit` bytes of it. */
export function readBody(
  conn: Deno.Conn,
  decoder: BodyDecoder,
  rest: Uint8Array,
  limit = Infinity,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let next: Uint8Array | null = rest;
  return new ReadableStream({
    async pull(controller) {
      while (!decoder.done && limit > 0) {
        if (next === null || next.length === 0) {
          const buffer = new Uint8Array(16 * 1024);
          const length = await conn.read(buffer);
          if (length === null) {
            decoder.end();
            break;
          }
          next = buffer.subarray(0, length);
        }
        const part = decoder.push(next).slice(0, limit);
        next = null;
        limit -= part.length;
        if (part.length > 0) return controller.enqueue(part);
      }
      controller.close();
    },
  }, { highWaterMark: 0 });
}

/**
 * Closes a connection on which an answer was written while the peer may still be sending. Closing at once would
 * make TCP reset the connection, and the peer might never see the answer.
 */
export async function closeGently(conn: Deno.Conn): Promise<void> {
  const timer = setTimeout(() => closeNow(conn), LINGER);
  try {
    await conn.closeWrite();
    const buffer = new Uint8Array(16 * 1024);
    while (await conn.read(buffer) !== null);
  } catch {
    // gone, or the time is up
  } finally {
    clearTimeout(timer);
    closeNow(conn);
  }
}

/** Closes a connection with these bytes as the last. */
export async function closeWith(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  // TLS writes nothing before its handshake, which a peer may never finish
  const timer = setTimeout(() => closeNow(conn), LINGER);
  await writeAll(conn, bytes).catch(() => {});
  clearTimeout(timer);
  closeNow(conn);
}

/** Turns Nagle's algorithm off, where that can be done: Deno's TlsConn cannot, nor can what is no TCP. */
export function sendAtOnce(conn: Deno.Conn): void {
  if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay();
}

/** Closes a connection that may be closed already. */
export function closeNow(conn: Disposable & { close(): void }): void {
  try {
    conn.close();
  } catch {
    // it was closed already
  }
}
