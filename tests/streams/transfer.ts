/**
 * One end of a large message, in a process of its own: `transfer.ts send|receive BYTES [PORT]`. Connects to PORT;
 * without one it serves, and prints its port first. In the end it prints a {@linkcode TransferReport} as JSON.
 */
import { Buffer } from "node:buffer";
import { type WsConn, wsConnect, wsServe } from "../../mod.ts";

/** What one end says of a transfer. */
export interface TransferReport {
  /** How many bytes of the message it has sent or received; all that were received are what was sent. */
  bytes: number;
  /** How many the connection has counted (`stats`). */
  counted: number;
  /** How long that took, in ms. */
  ms: number;
  /** The most memory that the process has held, in bytes. */
  peak: number;
}

/** The message is made of blocks of this length that differ in their first four bytes, their number. */
const BLOCK = 256 * 1024;

const block = new Uint8Array(BLOCK).map((_, at) => at ^ at >> 8);
const number = new DataView(block.buffer);
let peak = 0;

/** The most that this process has held: as the system counts it, or else as it was seen to be. */
function measure(): number {
  peak = Math.max(peak, Deno.memoryUsage().rss);
  try {
    const [, kB] = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s*(\d+) kB/) ?? [];
    peak = Math.max(peak, Number(kB ?? 0) * 1024);
  } catch {
    // not Linux
  }
  return peak;
}

/** The first `bytes` of the blocks, one after the other in the same memory. */
async function* blocks(bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes; at += BLOCK) {
    number.setUint32(0, at / BLOCK);
    yield block.subarray(0, bytes - at);
  }
}

/** Compares a piece of the message that begins `at` bytes behind its beginning. */
function check(piece: Uint8Array, at: number): void {
  while (piece.length > 0) {
    const place = at % BLOCK;
    number.setUint32(0, Math.floor(at / BLOCK));
    const part = piece.subarray(0, BLOCK - place);
    if (Buffer.compare(part, block.subarray(place, place + part.length)) !== 0) {
      throw new Error(`Wrong bytes between ${at} and ${at + part.length}`);
    }
    at += part.length;
    piece = piece.subarray(part.length);
  }
}

async function receive(conn: WsConn): Promise<number> {
  let received = 0;
  for await (const piece of (await conn.recvStream())!) {
    check(piece, received);
    received += piece.length;
    // Frees the piece. Otherwise it is V8 that decides how much memory is held: it waits for 64 MiB of such garbage
    // before it begins to collect any, and at this speed for some tens more before it has.
    (piece.buffer as ArrayBuffer).transfer(0);
  }
  return received;
}

async function transfer(conn: WsConn): Promise<void> {
  const began = performance.now();
  let bytes = Number(Deno.args[1]);
  if (Deno.args[0] === "receive") bytes = await receive(conn);
  else await conn.sendStream(blocks(bytes), { type: "binary" });
  const { sent, received } = conn.stats;
  const report: TransferReport = {
    bytes,
    counted: sent.bytes + received.bytes, // one of them is 0
    ms: performance.now() - began,
    peak: measure(),
  };
  console.log(JSON.stringify(report));
  if (Deno.args[0] === "receive") await conn.close();
  else await conn.finished; // the other end has all of it
}

if (import.meta.main) {
  const sampling = setInterval(measure, 100);
  const port = Deno.args[2];
  if (port !== undefined) await transfer(await wsConnect(`ws://127.0.0.1:${port}/`));
  else {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const server = wsServe(
      (conn) => transfer(conn).then(resolve, reject),
      { hostname: "127.0.0.1", port: 0 },
    );
    console.log((server.addr as Deno.NetAddr).port);
    await promise;
    await server.shutdown();
  }
  clearInterval(sampling);
}
