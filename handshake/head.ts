import { indexOfNeedle } from "@std/bytes";
import { WsHandshakeError } from "./error.ts";

/** The longest head that is taken, in bytes, and the most lines. */
const MAX_HEAD = 16 * 1024;
const MAX_LINES = 128;

const CR = 0x0d, LF = 0x0a;
const CRLF = Uint8Array.of(CR, LF);

/** The head of an HTTP/1 message: its first line and its headers. */
export interface Head {
  /** The request line or status line, without its end. */
  line: string;
  /** The headers. */
  headers: Headers;
}

/** The head of a request, its line taken apart. */
export interface RequestHead extends Head {
  /** The method, as it was written. */
  method: string;
  /** The request target, as it was written. */
  target: string;
  /** The HTTP version: 1.1 is 11. */
  version: number;
}

/** The head of a response, its line taken apart. */
export interface ResponseHead extends Head {
  /** The status code. */
  status: number;
  /** The reason phrase. */
  statusText: string;
}

/**
 * Reads a head from bytes as they arrive ({@link https://www.rfc-editor.org/rfc/rfc9112#section-2 | RFC 9112 §2}).
 * Every byte is looked at once, whatever the pieces; 16 KiB and 128 lines are the most.
 *
 * Errors carry the status that a server answers: 431 over a limit, 400 otherwise.
 */
export class HeadReader {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  #length = 0;
  /** Where the current line begins, and from where its end is looked for. */
  #lineStart = 0;
  #scanned = 0;
  readonly #lines: string[] = [];

  /** Takes the next bytes; returns whether the head is complete. Throws if it is over a limit or not HTTP. */
  push(chunk: Uint8Array): boolean {
    this.#append(chunk);
    // Nothing of HTTP begins so, but TLS does; waiting for a line of it would take until the time is up.
    const first = this.#bytes[0]!;
    if (this.#length > 0 && first < 0x20 && first !== CR) {
      throw malformed("This is not HTTP; a TLS client must connect to a TLS port");
    }
    for (;;) {
      const end = indexOfNeedle(this.#bytes.subarray(0, this.#length), CRLF, this.#scanned);
      if (end === -1) {
        // the last byte may be the CR of a line's end
        this.#scanned = Math.max(this.#lineStart, this.#length - 1);
        if (this.#length > MAX_HEAD) throw tooLarge();
        return false;
      }
      if (end + 2 > MAX_HEAD) throw tooLarge();
      const line = latin1(this.#bytes.subarray(this.#lineStart, end));
      this.#lineStart = this.#scanned = end + 2;
      if (line !== "") {
        if (this.#lines.push(line) > MAX_LINES) throw tooLarge();
      } else if (this.#lines.length > 0) return true;
      // RFC 9112 §2.2: an empty line before the first is to be ignored.
    }
  }

  /** Whether nothing has arrived. */
  get empty(): boolean {
    return this.#length === 0;
  }

  /** What came behind the head. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#lineStart, this.#length);
  }

  /** The head as that of a request (RFC 9112 §3). */
  request(): RequestHead {
    const { line, headers } = this.#head();
    const [method, target, version, ...more] = line.split(" ");
    if (!isToken(method) || !isVisible(target) || more.length > 0) {
      throw malformed(`Request line is malformed: ${quote(line)}`);
    }
    return { line, headers, method, target, version: httpVersion(version) };
  }

  /** The head as that of a response (RFC 9112 §4). */
  response(): ResponseHead {
    const { line, headers } = this.#head();
    const [version, code, ...reason] = line.split(" ");
    const status = Number(code);
    if (code?.length !== 3 || !isDigits(code) || status < 100 || status > 599) {
      throw malformed(`Status line is malformed: ${quote(line)}`);
    }
    httpVersion(version); // throws
    return { line, headers, status, statusText: reason.join(" ") };
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = needed;
  }

  #head(): Head {
    const [line, ...fields] = this.#lines as [string, ...string[]];
    if (hasControl(line)) throw malformed("First line has a control character");
    const headers = new Headers();
    for (const field of fields) {
      const colon = field.indexOf(":");
      const name = field.slice(0, colon);
      // RFC 9112 §5: no white space before the colon, and no line that continues the one before.
      if (colon < 1 || !isToken(name)) throw malformed(`Header line is malformed: ${quote(field)}`);
      const value = field.slice(colon + 1);
      if (hasControl(value)) throw malformed(`Header ${name} has a control character`);
      headers.append(name, value);
    }
    return { line, headers };
  }
}

/** The bytes of a head: the line, the headers, and the empty line. */
export function formatHead(line: string, headers: Iterable<[string, string]>): Uint8Array {
  let head = line + "\r\n";
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
  head += "\r\n";
  const bytes = new Uint8Array(head.length);
  for (let i = 0; i < head.length; i++) bytes[i] = head.charCodeAt(i);
  return bytes;
}

/**
 * The headers that a user gives. `Headers` trims line ends off a value, which would hide an attempt to smuggle one in,
 * so they are looked for first.
 */
export function checkedHeaders(init: HeadersInit | undefined): Headers {
  if (init !== undefined && !(init instanceof Headers)) {
    for (const [name, value] of Symbol.iterator in init ? init : Object.entries(init)) {
      if (typeof value === "string" && /[\r\n\0]/.test(value)) {
        throw new TypeError(`Cannot set header ${name}: its value has a line break or NUL`);
      }
    }
  }
  return new Headers(init);
}

/** The elements of a header that is a comma-separated list (RFC 9110 §5.6.1). */
export function listOf(headers: Headers, name: string): string[] {
  const value = headers.get(name);
  return value === null ? [] : value.split(",").map(trimOws).filter((item) => item !== "");
}

/** `text` without the white space around it: spaces and tabs, and nothing else (RFC 9110 §5.6.3). */
export function trimOws(text: string): string {
  let start = 0, end = text.length;
  while (start < end && (text[start] === " " || text[start] === "\t")) start++;
  while (end > start && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(start, end);
}

/** Whether such a list has this element, in any letter case. */
export function listHas(headers: Headers, name: string, element: string): boolean {
  return listOf(headers, name).some((item) => item.toLowerCase() === element);
}

/** Whether `text` is a token of RFC 9110 §5.6.2. */
export function isToken(text: string | undefined): text is string {
  if (text === undefined || text === "") return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isAlphanumeric = (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) ||
      (code >= 0x61 && code <= 0x7a);
    if (!isAlphanumeric && !"!#$%&'*+-.^_`|~".includes(text[i]!)) return false;
  }
  return true;
}

function isVisible(text: string | undefined): text is string {
  if (text === undefined || text === "") return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f) return false;
  }
  return true;
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}

/** Whether `text` consists of decimal digits; hostile text meets no regular expression here. */
export function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return text !== "";
}

function httpVersion(text = ""): number {
  const digits = text.slice(5, 6) + text.slice(7);
  if (text.length !== 8 || !text.startsWith("HTTP/") || text[6] !== "." || !isDigits(digits)) {
    throw malformed(`HTTP version is malformed: ${quote(text)}`);
  }
  return Number(digits);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? text.slice(0, 80) + "…" : text);
}

function malformed(message: string): WsHandshakeError {
  return new WsHandshakeError(400, message);
}

function tooLarge(): WsHandshakeError {
  return new WsHandshakeError(431, "Head is larger than 16 KiB or has more than 128 lines");
}
