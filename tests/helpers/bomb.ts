/**
 * What it costs to receive what a small message inflates to, in a process of its own:
 * `deno run -A --v8-flags=--expose-gc bomb.ts recv|stream|unread`. Prints what came of it, as JSON.
 */
import { concat } from "@std/bytes";
import { setImmediate } from "node:timers/promises";
import { Opcode } from "../../framing/mod.ts";
import { type WsConn, type WsProtocolError, wsServe } from "../../mod.ts";
import { compressed } from "./deflate.ts";
import { LOCAL, RawPeer } from "./sockets.ts";

/** What `bomb.ts` prints. */
export interface Outcome {
  /** By how much the memory of the process has grown at most, in bytes. */
  grown: number;
  /** How many bytes were received. */
  received: number;
  /** What the connection was failed with. */
  closeCode?: number | undefined;
}

const MiB = 1024 * 1024;
/** 1 MiB of zeros, and the same with what joins it to the next. */
const PART = compressed(new Uint8Array(MiB), { level: 9 });
const JOINED = concat([PART, Uint8Array.of(0, 0, 0xff, 0xff)]);

/** What inflates to so many MiB of zeros. */
function zeros(mebibytes: number): Uint8Array {
  return concat([...new Array<Uint8Array>(mebibytes - 1).fill(JOINED), PART]);
}

const { promise: accepted, resolve: accept } = Promise.withResolvers<WsConn>();

/** Receives a message of 1 GiB as a whole. */
async function recv(peer: RawPeer, conn: WsConn): Promise<Partial<Outcome>> {
  const bomb = zeros(1024);
  begin();
  const sending = peer.send(Opcode.Binary, bomb, { rsv1: true });
  try {
    return { received: (await conn.recv())!.length };
  } catch (error) {
    await sending;
    return { received: 0, closeCode: (error as WsProtocolError).closeCode };
  }
}

/** Receives a message of 256 MiB as it arrives, more slowly than it does. */
async function stream(peer: RawPeer, conn: WsConn): Promise<Partial<Outcome>> {
  const bomb = zeros(256);
  begin();
  const sending = peer.send(Opcode.Binary, bomb, { rsv1: true });
  let received = 0;
  for await (const piece of (await conn.recvStream())!) {
    received += piece.length;
    (piece.buffer as ArrayBuffer).transfer(0); // V8 itself would let 64 MiB of them gather before it begins to free them
    await setImmediate();
  }
  await sending;
  return { received };
}

/** Receives nothing of 20 messages of 16 MiB until all has come to rest, and then all. */
async function unread(peer: RawPeer, conn: WsConn): Promise<Partial<Outcome>> {
  const payload = zeros(16);
  const frames = concat(new Array(20).fill(peer.frame(Opcode.Binary, payload, { rsv1: true })));
  begin();
  const sending = peer.write(frames);
  for (let before = -1; before < peak;) {
    before = peak;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { grown } = end();
  let received = 0;
  for (let i = 0; i < 20; i++) received += (await conn.recv())!.length;
  await sending;
  return { received, grown };
}

let baseline = 0, peak = 0;

function begin(): void {
  (globalThis as unknown as { gc(): void }).gc();
  baseline = peak = Deno.memoryUsage().rss;
}

function end(): { grown: number } {
  peak = Math.max(peak, Deno.memoryUsage().rss);
  return { grown: peak - baseline };
}

if (import.meta.main) {
  await using server = wsServe((conn) => {
    accept(conn);
    return conn.finished.then(() => {});
  }, { ...LOCAL, compression: true });
  const peer = await RawPeer.connect(server.addr, ["Sec-WebSocket-Extensions: permessage-deflate"]);
  const conn = await accepted;
  // makes it warm: what is compiled, and the buffers that are kept, are not the bomb's
  for (let i = 0; i < 100; i++) {
    await peer.send(Opcode.Binary, compressed(new Uint8Array(100_000)), { rsv1: true });
    await conn.recv();
  }
  const sampling = setInterval(end, 1);
  const receive = { recv, stream, unread }[Deno.args[0]!]!;
  const outcome = await receive(peer, conn);
  clearInterval(sampling);
  console.log(JSON.stringify({ ...end(), ...outcome }));
  peer.conn.close();
}
