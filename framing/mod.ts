/**
 * The framing of WebSocket messages without any I/O: bytes in, bytes out.
 *
 * {@linkcode Rfc6455Protocol} is the whole protocol for one connection; the functions beside it read and write single
 * frames. For use where there is no socket: tests, proxies, other transports. Needs no permission.
 *
 * @example Write a frame and read it again
 * ```ts
 * import { encodeFrame, Opcode, readFrameHeader } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const frame = encodeFrame(Opcode.Binary, Uint8Array.of(1, 2, 3));
 * const header = { fin: false, rsv1: false, opcode: 0, length: 0, masked: false, maskKey: 0 };
 * const size = readFrameHeader(frame, 0, frame.length, header);
 * assertEquals(header.length, 3);
 * assertEquals(frame.subarray(size), Uint8Array.of(1, 2, 3));
 * ```
 *
 * @module
 */
export { CloseCode, type CloseInfo, decodeClose, encodeClose } from "./close.ts";
export type { MessageDeflate } from "./deflate.ts";
export { WsProtocolError } from "./error.ts";
export {
  encodeFrame,
  type FrameHeader,
  type FrameOptions,
  Opcode,
  readFrameHeader,
} from "./frame.ts";
export { HixieProtocol } from "./hixie.ts";
export { applyMask, nextMaskKey } from "./mask.ts";
export type { MessageSink, WsMessage, WsMessageType } from "./message.ts";
export { type FramingMode, framingMode } from "./mode.ts";
export { Output } from "./output.ts";
export type {
  Protocol,
  ProtocolEvents,
  ProtocolLimits,
  ProtocolState,
  Role,
  Version,
} from "./protocol.ts";
export { Rfc6455Protocol } from "./rfc6455.ts";
export { SharedMessage } from "./shared.ts";
