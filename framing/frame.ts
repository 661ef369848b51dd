import { WsProtocolError } from "./error.ts";
import { applyMask } from "./mask.ts";

/**
 * The opcodes of {@link https://www.rfc-editor.org/rfc/rfc6455#section-11.8 | RFC 6455 §11.8}.
 *
 * @example
 * ```ts
 * import { Opcode } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(Opcode.Text, 1);
 * ```
 */
export const Opcode = {
  Continuation: 0,
  Text: 1,
  Binary: 2,
  Close: 8,
  Ping: 9,
  Pong: 10,
} as const;

/** The first byte's FIN bit, RFC 6455 §5.2. */
export const FIN = 0x80;
/** The first byte's RSV1 bit: a compressed message, where that was agreed (RFC 7692 §6). */
export const RSV1 = 0x40;
/** What the longest header takes: 2 bytes, 8 of length, 4 of masking key. */
export const MAX_HEADER = 14;
/** What the longest payload of a control frame takes (RFC 6455 §5.5). */
export const MAX_CONTROL_PAYLOAD = 125;

/** What stands before the payload of a frame ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.2 | RFC 6455 §5.2}). */
export interface FrameHeader {
  /** Whether this is the last frame of its message. */
  fin: boolean;
  /** The bit that permessage-deflate uses. */
  rsv1: boolean;
  /** One of {@linkcode Opcode}. */
  opcode: number;
  /** The length of the payload, in bytes. */
  length: number;
  /** Whether the payload is masked. */
  masked: boolean;
  /** The masking key, its first byte in the lowest eight bits; 0 when not masked. */
  maskKey: number;
}

/**
 * Reads the frame header that begins at `start`, as soon as it is there.
 *
 * @param bytes The buffer.
 * @param start Where the header begins.
 * @param end Where the received bytes end.
 * @param header Takes the fields, so that a frame costs no allocation.
 * @returns The header's length in bytes, or 0 if more bytes are needed.
 * @throws {WsProtocolError} 1002 or 1009, if it breaks a rule that holds for both roles: reserved bits and opcodes
 * (RFC 6455 §5.2), control frames (§5.5), lengths that are not minimal or above 2^53 − 1.
 *
 * @example
 * ```ts
 * import { readFrameHeader } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const header = { fin: false, rsv1: false, opcode: 0, length: 0, masked: false, maskKey: 0 };
 * assertEquals(readFrameHeader(Uint8Array.of(0x81, 0x05), 0, 2, header), 2);
 * assertEquals([header.fin, header.opcode, header.length], [true, 1, 5]);
 * ```
 */
export function readFrameHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
  header: FrameHeader,
): number {
  if (end - start < 2) return 0;
  const first = bytes[start]!;
  const second = bytes[start + 1]!;
  const opcode = first & 0x0f;
  let length = second & 0x7f;
  if ((first & 0x30) !== 0) {
    throw new WsProtocolError(1002, "Reserved bit RSV2 or RSV3 is set"); // RFC 6455 §5.2
  }
  if (opcode > Opcode.Binary) {
    if (opcode < Opcode.Close || opcode > Opcode.Pong) {
      throw new WsProtocolError(1002, `Opcode ${opcode} is reserved`); // RFC 6455 §5.2
    }
    if (first < FIN) {
      throw new WsProtocolError(1002, "Control frame is fragmented"); // RFC 6455 §5.5
    }
    if (length > MAX_CONTROL_PAYLOAD) {
      throw new WsProtocolError(1002, "Control frame has a payload of more than 125 bytes"); // RFC 6455 §5.5
    }
  }
  const masked = second >= 0x80;
  const lengthBytes = length < 126 ? 0 : length === 126 ? 2 : 8;
  const size = 2 + lengthBytes + (masked ? 4 : 0);
  if (end - start < size) return 0;
  let at = start + 2;
  if (lengthBytes === 2) {
    length = bytes[at]! << 8 | bytes[at + 1]!;
    // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length"
    if (length < 126) {
      throw new WsProtocolError(1002, "Payload length used 2 bytes when none would have sufficed");
    }
  } else if (lengthBytes === 8) {
    const high = readUint32(bytes, at);
    length = high * 2 ** 32 + readUint32(bytes, at + 4);
    if (length < 65536) {
      throw new WsProtocolError(1002, "Payload length used 8 bytes when 2 would have sufficed");
    }
    if (high >= 2 ** 31) {
      throw new WsProtocolError(1002, "Payload length has its most significant bit set"); // RFC 6455 §5.2
    }
    if (high >= 2 ** 21) throw new WsProtocolError(1009, "Payload length is over 2^53 − 1");
  }
  at += lengthBytes;
  header.fin = first >= FIN;
  header.rsv1 = (first & RSV1) !== 0;
  header.opcode = opcode;
  header.length = length;
  header.masked = masked;
  header.maskKey = masked
    ? bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24
    : 0;
  return size;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}

/** The length of the header of a frame with this payload length. */
export function frameHeaderSize(length: number, masked: boolean): number {
  return (length < 126 ? 2 : length < 65536 ? 4 : 10) + (masked ? 4 : 0);
}

/**
 * Writes a frame header at `at`; the length in its minimal form.
 *
 * @param into The buffer.
 * @param at Where the header begins.
 * @param first The first byte: FIN, reserved bits and opcode.
 * @param length The length of the payload, in bytes.
 * @param maskKey The masking key, or `undefined` for a frame that is not masked.
 * @returns Where the payload begins.
 */
export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  first: number,
  length: number,
  maskKey: number | undefined,
): number {
  const maskBit = maskKey === undefined ? 0 : 0x80;
  into[at++] = first;
  if (length < 126) {
    into[at++] = maskBit | length;
  } else if (length < 65536) {
    into[at++] = maskBit | 126;
    into[at++] = length >>> 8;
    into[at++] = length;
  } else {
    into[at++] = maskBit | 127;
    at = writeUint32(into, at, Math.floor(length / 2 ** 32));
    at = writeUint32(into, at, length % 2 ** 32);
  }
  if (maskKey !== undefined) {
    into[at++] = maskKey;
    into[at++] = maskKey >>> 8;
    into[at++] = maskKey >>> 16;
    into[at++] = maskKey >>> 24;
  }
  return at;
}

function writeUint32(into: Uint8Array, at: number, value: number): number {
  into[at++] = value >>> 24;
  into[at++] = value >>> 16;
  into[at++] = value >>> 8;
  into[at++] = value;
  return at;
}

/** What a frame may be besides its opcode and payload; see {@linkcode encodeFrame}. */
export interface FrameOptions {
  /** Whether this is the last frame of its message. Default: true. */
  fin?: boolean | undefined;
  /** The bit that permessage-deflate uses. Default: false. */
  rsv1?: boolean | undefined;
  /** Masks the payload with this key, its first byte in the lowest eight bits: what a client must do. Default: no mask. */
  maskKey?: number | undefined;
}

/**
 * One whole frame, header and payload ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.2 | RFC 6455 §5.2}).
 *
 * @param opcode One of {@linkcode Opcode}.
 * @param payload The payload; it is copied.
 * @param options FIN, RSV1 and the masking key.
 * @returns The bytes of the frame.
 *
 * @example An unmasked text frame, RFC 6455 §5.7
 * ```ts
 * import { encodeFrame, Opcode } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const frame = encodeFrame(Opcode.Text, new TextEncoder().encode("Hello"));
 * assertEquals(frame, Uint8Array.of(0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f));
 * ```
 */
export function encodeFrame(
  opcode: number,
  payload: Uint8Array,
  options: FrameOptions = {},
): Uint8Array<ArrayBuffer> {
  const { fin = true, rsv1 = false, maskKey } = options;
  const frame = new Uint8Array(
    frameHeaderSize(payload.length, maskKey !== undefined) + payload.length,
  );
  const first = (fin ? FIN : 0) | (rsv1 ? RSV1 : 0) | opcode;
  const at = writeFrameHeader(frame, 0, first, payload.length, maskKey);
  frame.set(payload, at);
  if (maskKey !== undefined) applyMask(frame, at, frame.length, maskKey);
  return frame;
}
