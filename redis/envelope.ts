/**
 * What goes through a channel: a message with what hubs have to know of it. Binary, with nothing that has to be parsed:
 *
 * | octets | what |
 * |---|---|
 * | 2 | "ws", so that other people's messages are recognized |
 * | 1 | the version of this table: 1 |
 * | 1 | the opcode of the message, as in RFC 6455 §5.2: 1 for text, 2 for binary |
 * | 16 | the origin: the bus that has published it, by a random number |
 * | the rest | the message; a text as UTF-8 |
 */
import { Opcode, type WsMessage } from "../framing/mod.ts";

const MAGIC = 0x7773, VERSION = 1, ORIGIN = 4, HEADER = 20;

/** A random number that no other bus has. */
export function newOrigin(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(HEADER - ORIGIN));
}

/** The octets of a message, which are a copy. Throws a `RangeError` if it has more than `maxMessageSize`. */
export function encodeEnvelope(
  origin: Uint8Array,
  message: WsMessage,
  maxMessageSize: number,
): Uint8Array<ArrayBuffer> {
  const payload = typeof message === "string" ? new TextEncoder().encode(message) : message;
  if (payload.length > maxMessageSize) {
    throw new RangeError(tooLong(payload.length, maxMessageSize));
  }
  const bytes = new Uint8Array(HEADER + payload.length);
  const opcode = typeof message === "string" ? Opcode.Text : Opcode.Binary;
  new DataView(bytes.buffer).setUint32(0, MAGIC << 16 | VERSION << 8 | opcode);
  bytes.set(origin, ORIGIN);
  bytes.set(payload, HEADER);
  return bytes;
}

/**
 * The message in `bytes`, which share their memory with a binary one; `null` if `origin` itself has published it.
 * Throws a `SyntaxError` that says what is wrong if they are no envelope, or one of more than `maxMessageSize`.
 */
export function decodeEnvelope(
  bytes: Uint8Array,
  origin: Uint8Array,
  maxMessageSize: number,
): WsMessage | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER || view.getUint16(0) !== MAGIC) {
    throw new SyntaxError("It is not from a bus of @wsconn/ws");
  }
  if (bytes[2] !== VERSION) {
    throw new SyntaxError(`Its envelope is of version ${bytes[2]}, expected ${VERSION}`);
  }
  if (origin.every((octet, at) => octet === bytes[ORIGIN + at])) return null;
  // not bytes.subarray(), which makes a Buffer of a Buffer
  const payload = new Uint8Array(bytes.buffer, bytes.byteOffset + HEADER, bytes.length - HEADER);
  if (payload.length > maxMessageSize) {
    throw new SyntaxError(tooLong(payload.length, maxMessageSize));
  }
  if (bytes[3] === Opcode.Binary) return payload;
  if (bytes[3] !== Opcode.Text) throw new SyntaxError(`Its opcode is ${bytes[3]}, expected 1 or 2`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    throw new SyntaxError("It is text, but not UTF-8");
  }
}

function tooLong(length: number, maxMessageSize: number): string {
  return `The message has ${length} bytes, maxMessageSize is ${maxMessageSize} bytes`;
}
