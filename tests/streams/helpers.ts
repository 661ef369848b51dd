/** For tests of streamed messages: a peer by hand that compresses, and what both directions have in common. */
import { constants, deflateRawSync } from "node:zlib";
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { concat } from "@std/bytes";
import {
  type CloseInfo,
  wsAccept,
  type WsAcceptOptions,
  type WsConn,
  wsConnect,
  type WsConnectOptions,
} from "../../mod.ts";
import { decodeClose, encodeClose, Opcode } from "../../framing/mod.ts";
import { LOCAL, pair, RawPeer } from "../helpers/sockets.ts";

export const ROLES = ["server", "client"] as const;
export type OwnRole = (typeof ROLES)[number];

/** Bytes that are worth comparing: no two blocks of them are the same. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = at ^ at >> 8 ^ at >> 16;
  return bytes;
}

/** A connection in this role, and its peer by hand. */
export function against(
  role: OwnRole,
  options: WsAcceptOptions & WsConnectOptions = {},
): Promise<{ peer: RawPeer; conn: WsConn }> {
  return options.compression
    ? againstDeflating(role, options)
    : RawPeer.against(role === "server" ? "client" : "server", options);
}

/** Two connections of this module: the one in this role, and the other end. */
export async function ends(
  role: OwnRole,
  options: WsAcceptOptions & WsConnectOptions = {},
): Promise<[here: WsConn, there: WsConn]> {
  const { server, client } = await pair(options as WsAcceptOptions, options as WsConnectOptions);
  return role === "server" ? [server, client] : [client, server];
}

const EXTENSION = "Sec-WebSocket-Extensions: permessage-deflate";

async function againstDeflating(role: OwnRole, options: WsAcceptOptions & WsConnectOptions) {
  using listener = Deno.listen(LOCAL);
  const [peer, conn] = await Promise.all(
    role === "server"
      ? [
        RawPeer.connect(listener.addr, [EXTENSION]),
        listener.accept().then((conn) => wsAccept(conn, options as WsAcceptOptions)),
      ]
      : [
        RawPeer.accept(listener, undefined, [`${EXTENSION}; server_no_context_takeover`]),
        wsConnect(`ws://127.0.0.1:${listener.addr.port}/`, options as WsConnectOptions),
      ],
  );
  assertEquals(conn.extensions.split(";")[0], "permessage-deflate");
  return { peer, conn };
}

/** A message as RFC 7692 §7.2.1 compresses it. */
export function deflate(bytes: Uint8Array): Uint8Array {
  return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** The frames of a message, its payload cut into `count` fragments. */
export function fragments(
  peer: RawPeer,
  opcode: number,
  payload: Uint8Array,
  { count = 1, compressed = false } = {},
): Uint8Array[] {
  if (compressed) payload = deflate(payload);
  const size = Math.ceil(payload.length / count);
  return Array.from({ length: count }, (_, index) =>
    peer.frame(
      index === 0 ? opcode : Opcode.Continuation,
      payload.subarray(index * size, (index + 1) * size),
      { fin: index === count - 1, rsv1: compressed && index === 0 },
    ));
}

/** Reads `length` bytes, and no more, from a stream that gives them in any pieces. */
export async function take(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  length: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let missing = length;
  while (missing > 0) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
    missing -= value.length;
  }
  assertLessOrEqual(-missing, 0);
  return concat(parts);
}

/** Reads frames until the Close, which it returns the code of. */
export async function closeCode(peer: RawPeer): Promise<number | undefined> {
  for (let frame; (frame = await peer.next()) !== null;) {
    if (frame[0] === 0x88) return decodeClose(frame[1]).code;
  }
  return undefined;
}

/** Closes `conn`, and plays the peer's part in it. */
export async function hangUp(conn: WsConn, peer: RawPeer): Promise<CloseInfo> {
  const closed = conn.close();
  await closeCode(peer);
  return await endWith(1000, conn, peer) && closed;
}

/** The peer answers a Close, and ends TCP. */
export async function endWith(code: number, conn: WsConn, peer: RawPeer): Promise<CloseInfo> {
  await peer.send(Opcode.Close, encodeClose(code)).catch(() => {}); // answered before
  await peer.conn.closeWrite().catch(() => {});
  const info = await conn.finished;
  peer[Symbol.dispose]();
  return info;
}

/** A source that a test gives the pieces of one by one, and that tells why it was cancelled. */
export function byHand(): {
  source: ReadableStream<Uint8Array | string>;
  give: (piece: Uint8Array | string) => void;
  controller: ReadableStreamDefaultController<Uint8Array | string>;
  cancelled: Promise<unknown>;
} {
  let controller!: ReadableStreamDefaultController<Uint8Array | string>;
  const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
  const source = new ReadableStream<Uint8Array | string>({
    start: (its) => void (controller = its),
    cancel: resolve,
  });
  return { source, give: (piece) => controller.enqueue(piece), controller, cancelled };
}

/** Lets everything happen that has no event to wait for: the other end takes what was written to it. */
export function pause(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
