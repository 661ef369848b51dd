import { concat } from "@std/bytes/concat";
import { Utf8Validator } from "./framing/utf8.ts";
import type { WsMessageType } from "./framing/mod.ts";

/** What a message can be sent from: its bytes, or pieces of its text. */
export type WsMessageSource =
  | ReadableStream<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>;

/** The longest piece that is sent at once: Pings, Pongs and the answer to a Close pass between two of them. */
const PART = 64 * 1024;

/** A message that is sent while it is made. */
export class OutgoingMessage {
  readonly type: WsMessageType;
  /** Why nothing of it could be sent. */
  failure: { error: unknown } | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array | string>;
  readonly #validator: Utf8Validator | undefined;
  readonly #encoder = new TextEncoder();
  /** The first half of a surrogate pair that a piece of text was cut in. */
  #half = "";

  /** Locks the source; throws a `TypeError` if it is locked already, or no source at all. */
  constructor(source: WsMessageSource, type: WsMessageType) {
    this.type = type;
    this.#validator = type === "text" ? new Utf8Validator() : undefined;
    const stream = source instanceof ReadableStream ? source : ReadableStream.from(source);
    this.#reader = stream.getReader();
  }

  /** The bytes, as the source gives them, in parts of 64 KiB at most. Throws what the source throws. */
  async *parts(): AsyncGenerator<Uint8Array> {
    for (let result; !(result = await this.#reader.read()).done;) {
      const bytes = this.#toBytes(result.value);
      if (this.#validator?.push(bytes) === false) throw notUtf8();
      for (let at = 0; at < bytes.length; at += PART) yield bytes.subarray(at, at + PART);
    }
    const end = this.#encoder.encode(this.#half);
    if (end.length > 0) yield end; // U+FFFD
    if (this.#validator?.complete === false) throw notUtf8();
  }

  /** Tells the source that nothing more is wanted of it; `parts` ends. */
  cancel(reason: unknown): void {
    this.#reader.cancel(reason).catch(() => {}); // what it answers changes nothing
  }

  #toBytes(piece: unknown): Uint8Array {
    if (piece instanceof Uint8Array) {
      if (this.#half === "") return piece;
      const lone = this.#encoder.encode(this.#half); // U+FFFD
      this.#half = "";
      return concat([lone, piece]);
    }
    if (typeof piece !== "string" || this.type !== "text") {
      const type = Object.prototype.toString.call(piece).slice(8, -1);
      throw new TypeError(`Cannot send a piece of type ${type} in a ${this.type} message`);
    }
    const text = this.#half + piece;
    const last = text.charCodeAt(text.length - 1);
    const isCut = last >= 0xd800 && last <= 0xdbff;
    this.#half = isCut ? text.slice(-1) : "";
    return this.#encoder.encode(isCut ? text.slice(0, -1) : text);
  }
}

function notUtf8(): TypeError {
  return new TypeError("Cannot send a text message that is not valid UTF-8"); // RFC 6455 §8.1
}
