import { WsProtocolError } from "./error.ts";
import { decodeUtf8, Utf8Validator } from "./utf8.ts";

/**
 * A whole message: text, or bytes ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.6 | RFC 6455 §5.6}).
 *
 * The bytes of small messages that arrived together lie in one `ArrayBuffer` of up to 32 KiB, as those of Node's buffers do:
 * keep or transfer a copy (`message.slice()`) if that matters.
 */
export type WsMessage = string | Uint8Array;

/** What a message is: UTF-8 text, or any bytes ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.6 | RFC 6455 §5.6}). */
export type WsMessageType = "text" | "binary";

/** Whether it is a message. */
export function isMessage(x: unknown): x is WsMessage {
  return typeof x === "string" || x instanceof Uint8Array;
}

/** Checks what a user gives to be sent; `doing` is what cannot be done with anything else. */
export function assertMessage(x: unknown, doing: string): asserts x is WsMessage {
  if (isMessage(x)) return;
  const type = Object.prototype.toString.call(x).slice(8, -1);
  throw new TypeError(
    `Cannot ${doing} a message of type ${type}: it must be a string or a Uint8Array`,
  );
}

/** Takes one message piece by piece, as it arrives. */
export interface MessageSink {
  /** The longest message that it takes, in bytes. */
  readonly maxMessageSize: number;
  /** The message begins. */
  begin(type: WsMessageType): void;
  /** The next bytes, valid during the call; those of a text are checked. Returns whether it wants more at once. */
  push(bytes: Uint8Array): boolean;
  /** The message is complete. */
  end(): void;
}

/** Up to here room for a message is made as soon as its length is declared; when it is full, up to 16 times as much. */
const TRUSTED = 64 * 1024;

/**
 * A message that arrives in pieces: fragments, or a frame that was not there at once. The pieces gather in one
 * growing buffer, so that it is bytes and not counts that bound its memory; or they are handed to a sink. Text is checked
 * as it arrives.
 */
export class MessageBuilder {
  /** How many bytes have arrived. */
  length = 0;
  /** Takes the bytes, if they do not gather here. */
  sink: MessageSink | undefined;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  readonly #limit: number;
  readonly #text: Utf8Validator | undefined;

  /**
   * @param isText Whether it is a text message.
   * @param limit More bytes will not be gathered.
   * @param sink Takes its bytes, if they are not to gather.
   */
  constructor(isText: boolean, limit: number, sink?: MessageSink) {
    this.#limit = limit;
    this.#text = isText ? new Utf8Validator() : undefined;
    if (sink !== undefined) this.divert(sink);
  }

  /** Hands what has gathered to `sink`, and all that follows. */
  divert(sink: MessageSink): void {
    this.sink = sink;
    sink.begin(this.#text === undefined ? "binary" : "text");
    if (this.length > 0) sink.push(this.#bytes.subarray(0, this.length));
    this.#bytes = new Uint8Array(0);
  }

  /**
   * Where the next bytes of the message may be read into, of which `expected` are announced: as many of them as fit
   * into the room that what has arrived so far makes believable. Not where a sink takes them.
   */
  space(expected: number): Uint8Array {
    this.#reserve(this.length + expected);
    return this.#bytes.subarray(this.length, this.length + expected);
  }

  /** Counts in `length` bytes that are in {@linkcode space}, unmasked. Throws 1007 if they make the text invalid. */
  received(length: number): void {
    this.#check(this.#bytes.subarray(this.length, this.length + length));
    this.length += length;
  }

  /**
   * Takes a piece, `expected` bytes of which and what follows it are announced. Throws 1007 if it makes the text
   * invalid. Returns whether more is wanted at once.
   */
  push(piece: Uint8Array, expected: number): boolean {
    this.#check(piece);
    if (this.sink === undefined) {
      this.#reserve(this.length + expected, piece.length);
      this.#bytes.set(piece, this.length);
    }
    this.length += piece.length;
    return this.sink?.push(piece) ?? true;
  }

  /** The message, unless a sink has taken it. Throws 1007 if it is a text that ends within a character. */
  finish(): WsMessage | undefined {
    // RFC 6455 §8.1
    if (this.#text?.complete === false) {
      throw new WsProtocolError(1007, "Text message ends within a UTF-8 character");
    }
    if (this.sink !== undefined) return void this.sink.end();
    const whole = this.length === this.#bytes.length;
    if (this.#text === undefined) return whole ? this.#bytes : this.#bytes.slice(0, this.length);
    return decodeUtf8(this.#bytes.subarray(0, this.length))!;
  }

  #check(piece: Uint8Array): void {
    // RFC 6455 §8.1
    if (this.#text?.push(piece) === false) {
      throw new WsProtocolError(1007, "Text message is not valid UTF-8");
    }
  }

  /** Makes room for `needed` bytes in all, as far as they are believed: 64 KiB; when that has come 1 MiB, then 16 MiB. */
  #reserve(needed: number, atOnce = 1): void {
    const capacity = this.#bytes.length;
    if (needed <= capacity || this.length + atOnce <= capacity) return;
    let believable = TRUSTED;
    while (believable < this.length + atOnce) believable *= 16;
    // doubling, so that a message of many small fragments is not copied for each of them
    const doubled = capacity === 0 ? 0 : Math.min(Math.max(2 * capacity, 128), this.#limit);
    const size = Math.max(Math.min(needed, believable), doubled);
    if (size <= 2 * capacity) {
      this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(size)); // frees the old one at once
    } else {
      const grown = new Uint8Array(size); // takes memory only where it is written to
      grown.set(this.#bytes.subarray(0, this.length));
      this.#bytes = grown;
    }
  }
}
