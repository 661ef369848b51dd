import { concat } from "@std/bytes/concat";
import { indexOfNeedle } from "@std/bytes/index-of-needle";
import { WsHandshakeError } from "./error.ts";
import { type Head, isDigits, listOf, trimOws } from "./head.ts";

const CRLF = Uint8Array.of(0x0d, 0x0a);
/** The longest line of chunk size, or of trailers, that is taken. */
const MAX_LINE = 1024;

/**
 * Takes the body of an HTTP/1.1 message out of the bytes that follow its head: of a given length, chunked, or up to
 * the end of the connection ({@link https://www.rfc-editor.org/rfc/rfc9112#section-6 | RFC 9112 §6}).
 */
export class BodyDecoder {
  /** Whether the whole body has been seen. */
  done: boolean;
  /** What is left of the body, or of the current chunk; infinite up to the end of the connection. */
  #left: number;
  readonly #chunked: boolean;
  #state: "size" | "data" | "end" | "trailer" = "size";
  /** A line whose end has not arrived. */
  #line: Uint8Array = new Uint8Array(0);

  /**
   * @param head The message's head.
   * @param untilEnd Whether a body without a given length goes on to the end of the connection, as a response's does.
   */
  constructor({ headers }: Head, untilEnd: boolean) {
    const coding = listOf(headers, "transfer-encoding").at(-1);
    this.#chunked = coding?.toLowerCase() === "chunked";
    // RFC 9112 §6.3, item 4: how long the body is cannot be told, unless it goes on to the end
    if (coding !== undefined && !this.#chunked && !untilEnd) {
      throw new WsHandshakeError(400, `The last Transfer-Encoding is not chunked: ${coding}`);
    }
    const length = headers.get("content-length");
    if (length !== null && !(isDigits(length) && length.length <= 15)) {
      throw new WsHandshakeError(400, `Content-Length is malformed: ${JSON.stringify(length)}`);
    }
    const given = coding === undefined && length !== null;
    this.#left = this.#chunked ? 0 : given ? Number(length) : untilEnd ? Infinity : 0;
    this.done = !this.#chunked && this.#left === 0;
  }

  /** Takes the next bytes; returns those of the body among them. Throws if the chunks are malformed. */
  push(bytes: Uint8Array): Uint8Array {
    if (!this.#chunked) return this.#take(bytes);
    const parts: Uint8Array[] = [];
    while (bytes.length > 0 && !this.done) {
      if (this.#state === "data") {
        const part = this.#take(bytes);
        parts.push(part);
        bytes = bytes.subarray(part.length);
        if (this.#left === 0) this.#state = "end";
      } else bytes = this.#readLine(bytes);
    }
    return parts.length === 1 ? parts[0]! : concat(parts);
  }

  /** The connection has ended. Throws if that was before the end of the body (RFC 9112 §8). */
  end(): void {
    if (!this.done && this.#left !== Infinity) throw new WsHandshakeError(400, "Body is cut short");
    this.done = true;
  }

  #take(bytes: Uint8Array): Uint8Array {
    const part = bytes.subarray(0, Math.min(this.#left, bytes.length));
    this.#left -= part.length;
    this.done = !this.#chunked && this.#left === 0;
    return part;
  }

  /** Takes a line, or the part of it that is here; returns what follows. */
  #readLine(bytes: Uint8Array): Uint8Array {
    const before = this.#line.length;
    const text = concat([this.#line, bytes.subarray(0, MAX_LINE + 2)]);
    const end = indexOfNeedle(text, CRLF);
    // the last byte that is here may be the CR of the line's end
    if (end > MAX_LINE || (end === -1 && text.length > MAX_LINE + 1)) throw malformed();
    if (end === -1) {
      this.#line = text;
      return bytes.subarray(text.length - before);
    }
    this.#line = new Uint8Array(0);
    this.#lineRead(String.fromCharCode(...text.subarray(0, end)));
    return bytes.subarray(end + 2 - before);
  }

  #lineRead(line: string): void {
    if (this.#state === "trailer") {
      this.done = line === "";
    } else if (this.#state === "end") {
      if (line !== "") throw malformed();
      this.#state = "size";
    } else {
      const [first, ...extensions] = line.split(";");
      // RFC 9112 §7.1: white space stands before an extension only
      const size = extensions.length > 0 ? trimOws(first!) : first!;
      if (!/^[\da-f]{1,12}$/i.test(size)) throw malformed();
      this.#left = parseInt(size, 16);
      this.#state = this.#left === 0 ? "trailer" : "data";
    }
  }
}

function malformed(): WsHandshakeError {
  return new WsHandshakeError(400, "Chunked body is malformed");
}
