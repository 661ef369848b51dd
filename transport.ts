/** What the client and the server do with a connection before it is a WebSocket. */
import { concat } from "@std/bytes/concat";
import { smallBuffers } from "./framing/pool.ts";
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
  const buffer = smallBuffers.take();
  try {
    for (;;) {
      const length = await conn.read(buffer);
      if (length === null) return false;
      if (reader.push(buffer.subarray(0, length))) return true;
    }
  } finally {
    smallBuffers.give(buffer);
  }
}

/** Adds what arrives to `bytes` until there are `length` of them; `undefined` if the connection ends before. */
export async function readAtLeast(
  conn: Deno.Conn,
  bytes: Uint8Array,
  length: number,
): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(16 * 1024);
  while (bytes.length < length) {
    const read = await conn.read(buffer);
    if (read === null) return undefined;
    bytes = concat([bytes, buffer.subarray(0, read)]);
  }
  return bytes;
}

/** The body of an HTTP message, of which `rest` has been read already. */
export function readBody(
  conn: Deno.Conn,
  decoder: BodyDecoder,
  rest: Uint8Array,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(bodyParts(conn, decoder, rest));
}

async function* bodyParts(
  conn: Deno.Conn,
  decoder: BodyDecoder,
  rest: Uint8Array,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let bytes: Uint8Array | undefined = rest; !decoder.done;) {
    const part = decoder.push(bytes).slice();
    if (part.length > 0) yield part;
    if (decoder.done) return;
    bytes = await readAtLeast(conn, new Uint8Array(0), 1);
    if (bytes === undefined) return decoder.end();
  }
}

/** The first `limit` bytes of a stream, or as many as come before it ends or fails. */
export async function* upTo(
  limit: number,
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    for await (const chunk of stream) {
      yield chunk.subarray(0, limit);
      limit -= chunk.length;
      if (limit <= 0) return;
    }
  } catch {
    // what came before stands
  }
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

/** The error, with what could not be done before what Deno says of it: that names no address. */
export function saying(what: string, error: unknown): unknown {
  if (error instanceof Error) error.message = `${what}: ${error.message}`;
  return error;
}
