import { WsProtocolError } from "./error.ts";
import { decodeUtf8, Utf8Validator } from "./utf8.ts";

/** A whole message: text, or bytes ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.6 | RFC 6455 §5.6}). */
export type WsMessage = string | Uint8Array;

/** Up to here room for a message is made as soon as its length is declared. */
const TRUSTED = 1024 * 1024;

/**
 * A message that arrives in pieces: fragments, or a frame that was not there at once. The pieces gather in one
 * growing buffer, so that it is bytes and not counts that bound its memory, and text is checked as it arrives.
 */
export class MessageBuilder {
  /** How many bytes have been gathered. */
  length = 0;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  readonly #text: Utf8Validator | undefined;

  /** @param isText Whether it is a text message. */
  constructor(isText: boolean) {
    this.#text = isText ? new Utf8Validator() : undefined;
  }

  /**
   * Where the next bytes of the message may be read into, of which `expected` are announced: as many of them as fit
   * into the room that what has arrived so far makes believable.
   */
  space(expected: number): Uint8Array {
    this.#reserve(this.length + expected);
    return this.#bytes.subarray(this.length, this.length + expected);
  }

  /** Counts in `length` bytes that are in {@linkcode space}, unmasked. Throws 1007 if they make the text invalid. */
  received(length: number): void {
    const piece = this.#bytes.subarray(this.length, this.length + length);
    this.length += length;
    // RFC 6455 §8.1
    if (this.#text?.push(piece) === false) {
      throw new WsProtocolError(1007, "Text message is not valid UTF-8");
    }
  }

  /** Copies a piece in, `expected` bytes of which and what follows it are announced. */
  push(piece: Uint8Array, expected: number): void {
    this.#reserve(this.length + expected, piece.length);
    this.#bytes.set(piece, this.length);
    this.received(piece.length);
  }

  /** The message. Throws 1007 if it is a text that ends within a character. */
  finish(): WsMessage {
    const whole = this.length === this.#bytes.length;
    if (this.#text === undefined) return whole ? this.#bytes : this.#bytes.slice(0, this.length);
    // RFC 6455 §8.1
    if (!this.#text.complete) {
      throw new WsProtocolError(1007, "Text message ends within a UTF-8 character");
    }
    return decodeUtf8(this.#bytes.subarray(0, this.length))!;
  }

  /** Makes room for `needed` bytes in all, but for no more than 16 times what has been received. */
  #reserve(needed: number, atOnce = 1): void {
    const capacity = this.#bytes.length;
    if (needed <= capacity || this.length + atOnce <= capacity) return;
    const believable = Math.max(TRUSTED, 16 * this.length, this.length + atOnce);
    // doubling, so that a message of many small fragments is not copied for each of them
    const doubled = capacity === 0 ? 0 : Math.max(2 * capacity, 128);
    const grown = new Uint8Array(Math.max(Math.min(needed, believable), doubled));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
