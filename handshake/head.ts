import { asBuffer } from "../framing/utf8.ts";
import { WsHandshakeError } from "./error.ts";

/** The longest head that is taken, in bytes, and the most lines. */
const MAX_HEAD = 16 * 1024;
const MAX_LINES = 128;

const CR = 0x0d, LF = 0x0a;
const NONE = new Uint8Array(0);

/** The head of an HTTP/1 message: its first line and its headers. */
export interface Head {
  /** The request line or status line, without its end. */
  line: string;
  /** The headers. */
  headers: Headers;
}

/** What a handshake looks up in headers, under names in lower case. `Headers` have it too. */
export type Fields = Pick<Headers, "get" | "has">;

/** The head of a request, its line taken apart. */
export interface RequestHead extends Head {
  /** The same as `headers`, for less: those are made when they are asked for. */
  fields: Fields;
  /** The handshake has looked up all that it needs. */
  checked(): void;
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
  /** What came behind the head: not a part of the piece that it came in, which is not to be kept alive by it. */
  rest: Uint8Array = NONE;
  /** The head, once it is complete. */
  #text = "";
  /** What has arrived of it until then, how many bytes that were, and the last of them. */
  #bytes = NONE;
  #length = 0;
  #last = 0;
  /** Where the head begins, where the current line does, and how many there were before it. */
  #start = 0;
  #lineStart = 0;
  #lines = 0;

  /** Takes the next bytes; returns whether the head is complete. Throws if it is over a limit or not HTTP. */
  push(chunk: Uint8Array): boolean {
    // Nothing of HTTP begins so, but TLS does; waiting for a line of it would take until the time is up.
    if (this.#length === 0 && chunk.length > 0 && chunk[0]! < 0x20 && chunk[0] !== CR) {
      throw malformed("This is not HTTP; a TLS client must connect to a TLS port");
    }
    for (let lf = -1; (lf = chunk.indexOf(LF, lf + 1)) !== -1;) {
      if ((lf === 0 ? this.#last : chunk[lf - 1]) === CR && this.#lineEnds(this.#length + lf + 1)) {
        this.#complete(chunk.subarray(0, lf + 1));
        if (lf + 1 < chunk.length) this.rest = chunk.slice(lf + 1);
        return true;
      }
    }
    if (this.#length + chunk.length > MAX_HEAD) throw tooLarge();
    this.#gather(chunk);
    return false;
  }

  /** Counts a line that ends before `end`; returns whether it was the last. */
  #lineEnds(end: number): boolean {
    if (end > MAX_HEAD) throw tooLarge();
    const isEmpty = end - this.#lineStart === 2;
    this.#lineStart = end;
    if (isEmpty && this.#lines > 0) return true;
    if (isEmpty) this.#start = end; // RFC 9112 §2.2: an empty line before the first is to be ignored.
    else if (++this.#lines > MAX_LINES) throw tooLarge();
    return false;
  }

  /** Keeps what is not the whole head, as bytes: text that grows byte by byte would take 32 for each of them. */
  #gather(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
    this.#last = bytes.at(-1) ?? this.#last;
  }

  #complete(end: Uint8Array): void {
    if (this.#length > 0) {
      this.#gather(end);
      end = this.#bytes.subarray(0, this.#length);
    }
    this.#text = latin1(end).slice(this.#start);
  }

  /** The head as that of a request (RFC 9112 §3). */
  request(): RequestHead {
    const head = new ParsedHead(this.#text);
    const [method, target, version, ...more] = head.line.split(" ");
    if (!isToken(method) || !isVisible(target) || more.length > 0) {
      throw malformed(`Request line is malformed: ${quote(head.line)}`);
    }
    return Object.assign(head, { method, target, version: httpVersion(version) });
  }

  /** The head as that of a response (RFC 9112 §4). */
  response(): ResponseHead {
    const head = new ParsedHead(this.#text);
    const [version, code, ...reason] = head.line.split(" ");
    const status = Number(code);
    if (code?.length !== 3 || !isDigits(code) || status < 100 || status > 599) {
      throw malformed(`Status line is malformed: ${quote(head.line)}`);
    }
    httpVersion(version); // throws
    return Object.assign(head, { status, statusText: reason.join(" ") });
  }
}
/**
 * A head that is in order: throws otherwise. Makes `Headers` only for those who ask for them, and a connection keeps no
 * more of it than its text: few programs ever look at either.
 */
class ParsedHead implements Head, Fields {
  readonly line: string;
  /** The lines of the fields. */
  readonly #text: string;
  /** Their names, in lower case, and values in turn. */
  #list: string[] | undefined;
  #headers: Headers | undefined;

  constructor(text: string) {
    const end = text.indexOf("\r\n");
    this.line = text.slice(0, end);
    if (hasControl(this.line)) throw malformed("First line has a control character");
    this.#text = text.slice(end + 2, -2);
    this.#list = parseFields(this.#text);
  }

  get fields(): Fields {
    return this;
  }

  get headers(): Headers {
    if (this.#headers === undefined) {
      const list = this.#list ?? parseFields(this.#text);
      this.#headers = new Headers();
      for (let i = 0; i < list.length; i += 2) this.#headers.append(list[i]!, list[i + 1]!);
    }
    return this.#headers;
  }

  get(name: string): string | null {
    const list = this.#list ??= parseFields(this.#text);
    let found: string | null = null;
    for (let i = 0; i < list.length; i += 2) {
      // RFC 9110 §5.3: several of one name are as good as one
      if (list[i] === name) found = (found === null ? "" : `${found}, `) + list[i + 1]!;
    }
    return found;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  checked(): void {
    this.#list = undefined;
  }
}

/** The names, in lower case, and values of field lines in turn (RFC 9112 §5). */
function parseFields(text: string): string[] {
  const list: string[] = [];
  const lines = text.split("\r\n");
  lines.pop(); // what is behind the last line: nothing
  for (const field of lines) {
    const colon = field.indexOf(":");
    const name = field.slice(0, colon);
    // RFC 9112 §5: no white space before the colon, and no line that continues the one before.
    if (colon < 1 || !isToken(name)) throw malformed(`Header line is malformed: ${quote(field)}`);
    const value = field.slice(colon + 1);
    if (hasControl(value)) throw malformed(`Header ${name} has a control character`);
    list.push(name.toLowerCase(), trimOws(value));
  }
  return list;
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
  if (init === undefined || init instanceof Headers) return new Headers(init);
  const fields = Symbol.iterator in init ? [...init] : Object.entries(init);
  for (const [name, value] of fields) {
    if (typeof value === "string" && /[\r\n\0]/.test(value)) {
      throw new TypeError(`Cannot set header ${name}: its value has a line break or NUL`);
    }
  }
  return new Headers(fields);
}

/** The elements of a header that is a comma-separated list (RFC 9110 §5.6.1). */
export function listOf(fields: Fields, name: string): string[] {
  const value = fields.get(name);
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
export function listHas(fields: Fields, name: string, element: string): boolean {
  if (fields.get(name)?.toLowerCase() === element) return true; // the most common list of all
  return listOf(fields, name).some((item) => item.toLowerCase() === element);
}

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** Whether `text` is a token of RFC 9110 §5.6.2. */
export function isToken(text: string | undefined): text is string {
  return text !== undefined && TOKEN.test(text);
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
  return asBuffer(bytes).toString("latin1");
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
