/**
 * A second reader of HTTP/1.1 heads, openings and bodies, for the fuzzer to compare the library's with: RFC 9112, RFC 6455 §4
 * and hybi-00 §5. It takes the whole input as one string, in which a character is an octet.
 */
import { createHash } from "node:crypto";

const MAX_HEAD = 16 * 1024;
const MAX_LINES = 128;
const MAX_CHUNK_LINE = 1024;

/** The fields of a head: the lower-case name, and the values of all its lines. */
export type Fields = Map<string, string[]>;

export interface NaiveHead {
  line: string;
  fields: Fields;
  rest: string;
}

/** Why there is no head: it is not complete, or it is refused with one of these statuses. */
export interface NoHead {
  incomplete: boolean;
  refused: number[];
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*?)[ \\t]*$`);
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/(\\d)\\.(\\d)$`);
const STATUS_LINE = /^HTTP\/\d\.\d ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;

/** §2: takes the lines of a head apart; `first` is what the first of them must look like. */
function readHead(text: string, first: RegExp): NaiveHead & { match: RegExpExecArray } | NoHead {
  // Nothing of HTTP begins with a control character: it may be refused at once.
  const early = /^[^\r\x20-\uffff]/.test(text) ? [400] : [];
  let start = 0;
  while (text.startsWith("\r\n", start)) start += 2; // §2.2
  const end = text.indexOf("\r\n\r\n", start);
  const lines = text.slice(start, end === -1 ? undefined : end).split("\r\n");
  const lineCount = end === -1 ? lines.length - 1 : lines.length;
  const size = end === -1 ? text.length : end + 4;
  if (size > MAX_HEAD || lineCount > MAX_LINES) {
    return { incomplete: false, refused: [431, ...early] };
  }
  if (end === -1) return { incomplete: true, refused: early };
  const refused: NoHead = { incomplete: false, refused: [400] };
  const [line = "", ...fieldLines] = lines;
  const match = first.exec(line);
  if (match === null) return refused;
  const fields: Fields = new Map();
  for (const fieldLine of fieldLines) {
    const [, name, value] = FIELD.exec(fieldLine) ?? []; // §5
    if (name === undefined) return refused;
    const values = fields.get(name.toLowerCase()) ?? [];
    fields.set(name.toLowerCase(), [...values, value!]);
  }
  return { line, fields, rest: text.slice(end + 4), match };
}

/** The value of a field, RFC 9110 §5.3. */
function valueOf(fields: Fields, name: string): string | undefined {
  return fields.get(name)?.join(", ");
}

/** The elements of a list, RFC 9110 §5.6.1: white space is SP and HTAB, nothing else. */
function elements(fields: Fields, name: string): string[] {
  return (valueOf(fields, name) ?? "").split(",")
    .map((element) => element.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((element) => element !== "");
}

function contains(fields: Fields, name: string, element: string): boolean {
  return elements(fields, name).some((each) => each.toLowerCase() === element);
}

/** What a request must become: an opening of one of three kinds, plain HTTP, or nothing. */
export interface NaiveRequest extends NaiveHead {
  method: string;
  target: string;
  kind: "rfc6455" | "hixie-76" | "hixie-75" | "http" | undefined;
  /** The statuses that it may be refused with; none if it must be taken. */
  refused: number[];
  /** The `Sec-WebSocket-Accept`, or the 16 bytes that answer the challenge; `undefined` if the third key is not there. */
  answer: string | undefined;
  protocols: string[];
}

/** RFC 9112 §3.2: "a Host header field with an invalid field value"; RFC 3986 §3.2.2. */
const HOST = /^(\[[\da-f:.]+\]|([\w.~!$&'()*+;=-]|%[\da-f]{2})*)(:\d*)?$/i;

/** Reads a request, as a server does that speaks all three protocols. */
export function readRequest(text: string): NaiveRequest | NoHead {
  const head = readHead(text, REQUEST_LINE);
  if (!("line" in head)) return head;
  const { line, fields, rest, match: [, method = "", target = "", major, minor] } = head;
  const refused: number[] = [];
  const unless = (ok: boolean, status: number) => ok || refused.push(status);

  // RFC 6455 §4.2.1, item 1: "HTTP/1.1 or higher"; what is above 1 has other forms
  unless(major === "1" && minor !== "0", 505);
  // RFC 9112 §3.2. A comma may stand in a name, though in no name of DNS.
  const hosts = fields.get("host") ?? [];
  unless(hosts.length === 1 && HOST.test(hosts[0]!), 400);
  unless(!(fields.has("transfer-encoding") && fields.has("content-length")), 400); // RFC 9112 §6.1
  const request = { line, fields, rest, method, target, refused };
  if (!contains(fields, "upgrade", "websocket")) {
    return { ...request, kind: "http", answer: undefined, protocols: [] };
  }
  unless(method === "GET", 405);
  unless(contains(fields, "connection", "upgrade"), 400);

  if (fields.has("sec-websocket-version") || fields.has("sec-websocket-key")) {
    const isHixie = !fields.has("sec-websocket-version") &&
      (fields.has("sec-websocket-key1") || fields.has("sec-websocket-key2"));
    if (!isHixie) return { ...request, kind: "rfc6455", ...openRfc6455(fields, refused) };
  } else if (!fields.has("sec-websocket-key1") && !fields.has("sec-websocket-key2")) {
    return { ...request, kind: "hixie-75", answer: "", protocols: hixieProtocols(fields) };
  }
  const answer = answerOf(fields, rest, refused);
  return { ...request, kind: "hixie-76", answer, protocols: hixieProtocols(fields) };
}

/** RFC 6455 §4.2.1 */
function openRfc6455(fields: Fields, refused: number[]) {
  if (valueOf(fields, "sec-websocket-version") !== "13") refused.push(426);
  const key = valueOf(fields, "sec-websocket-key") ?? "";
  // 16 bytes are 21 characters, one that carries two bits, and two of padding (RFC 4648 §4)
  if (!/^[\w+/]{22}==$/.test(key) || key.includes("_")) refused.push(400);
  const length = valueOf(fields, "content-length") ?? "0";
  if (fields.has("transfer-encoding") || length !== "0") refused.push(400);
  const answer = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", "latin1");
  return {
    answer: answer.digest("base64"),
    protocols: elements(fields, "sec-websocket-protocol"),
  };
}

function hixieProtocols(fields: Fields): string[] {
  const value = valueOf(fields, "sec-websocket-protocol") ?? valueOf(fields, "websocket-protocol");
  return (value ?? "").split(/[ ,]/).filter((protocol) => protocol !== "");
}

/** hybi-00 §5.2: the answer to the three keys. */
function answerOf(fields: Fields, rest: string, refused: number[]): string | undefined {
  let challenge = "";
  for (const name of ["sec-websocket-key1", "sec-websocket-key2"]) {
    const key = valueOf(fields, name) ?? "";
    const digits = key.replace(/[^0-9]/g, "");
    const spaces = BigInt(key.replace(/[^ ]/g, "").length);
    const number = BigInt(digits);
    const isNumber = digits !== "" && digits.length <= 15; // more can only be zeros in front, or too much
    if (!isNumber || spaces === 0n || number % spaces !== 0n || number / spaces >= 2n ** 32n) {
      refused.push(400);
    } else {
      const hex = (number / spaces).toString(16).padStart(8, "0");
      challenge += String.fromCharCode(...Uint8Array.fromHex(hex));
    }
  }
  if (rest.length < 8) return undefined;
  const answer = createHash("md5").update(challenge + rest.slice(0, 8), "latin1");
  return answer.digest().toString("latin1");
}

/** What a response must become. */
export interface NaiveResponse extends NaiveHead {
  status: number;
  statusText: string;
  /** Whether it opens the connection, if its status is 101: RFC 6455 §4.1, the list at its end. */
  accepted: boolean;
  protocol: string;
}

/** Reads a response, as a client does that has sent this key and these subprotocols. */
export function readResponse(
  text: string,
  key: string,
  offered: readonly string[],
): NaiveResponse | NoHead {
  const head = readHead(text, STATUS_LINE);
  if (!("line" in head)) return head;
  const { line, fields, rest, match: [, status, statusText = ""] } = head;
  const hash = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", "latin1");
  const protocol = valueOf(fields, "sec-websocket-protocol");
  const accepted = valueOf(fields, "upgrade")?.toLowerCase() === "websocket" &&
    contains(fields, "connection", "upgrade") &&
    valueOf(fields, "sec-websocket-accept") === hash.digest("base64") &&
    !fields.has("sec-websocket-extensions") &&
    (protocol === undefined || offered.includes(protocol));
  return {
    line,
    fields,
    rest,
    status: Number(status),
    statusText,
    accepted,
    protocol: protocol ?? "",
  };
}

/**
 * How a body ends when the connection does behind the input: it has ended before, goes on to there, is cut short, or is
 * refused.
 */
export type BodyEnd = "done" | "unbounded" | "incomplete" | "failed";

/** What must become of a body. */
export interface NaiveBody {
  /** As much of it as there is. */
  body: string;
  /** The ends that the standard allows: several where it does not say when to fail, or whether. */
  ends: BodyEnd[];
}

/** RFC 9112 §6.3: the body of a message with these fields, as far as it is in `text`. */
export function readBody(fields: Fields, isResponse: boolean, text: string): NaiveBody {
  const codings = elements(fields, "transfer-encoding").map((coding) => coding.toLowerCase());
  const length = valueOf(fields, "content-length");
  const lengthIsSound = length === undefined || /^\d{1,15}$/.test(length);
  if (codings.length > 0) {
    let body: NaiveBody;
    if (codings.at(-1) === "chunked") body = readChunks(text);
    // item 4: such a response goes on to the end, such a request is refused
    else if (isResponse) body = { body: text, ends: ["unbounded"] };
    else return { body: "", ends: ["failed"] };
    // other codings may be refused (§6.1), so may a length that is not to be used
    if (codings.length > 1 || !lengthIsSound) body.ends.push("failed");
    return body;
  }
  if (!lengthIsSound) return { body: "", ends: ["failed"] }; // item 5
  if (length === undefined && isResponse) return { body: text, ends: ["unbounded"] }; // item 8
  const expected = Number(length ?? 0);
  const body = text.slice(0, expected);
  return { body, ends: [body.length === expected ? "done" : "incomplete"] };
}

/** §7.1 */
function readChunks(text: string): NaiveBody {
  let body = "";
  let lenient = false;
  const end = (...ends: BodyEnd[]): NaiveBody => ({
    body,
    ends: lenient ? [...ends, "failed"] : ends,
  });
  for (let at = 0;;) {
    const size = lineAt(text, at);
    if (size === undefined) return end(isLong(text.slice(at)) ? "failed" : "incomplete");
    if (size.length > MAX_CHUNK_LINE) return end("failed");
    // chunk-size [ chunk-ext ], where white space may stand before an extension's semicolon
    const [, digits, tail = ""] = /^([\da-f]+)(.*)$/is.exec(size) ?? [];
    if (digits === undefined || !/^[ \t\r]*(;|$)/.test(tail)) return end("failed");
    // What is behind a size need not be looked at, but may; nor is there a size that must be taken (§7.1).
    if (!/^([ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/.test(tail)) lenient = true;
    if (digits.length > 12) return end("failed");
    at += size.length + 2;
    const length = parseInt(digits, 16);
    if (length === 0) return trailers(at);
    body += text.slice(at, at + length);
    at += length;
    if (at + 2 > text.length) {
      return "\r\n".startsWith(text.slice(at)) ? end("incomplete") : end("incomplete", "failed");
    }
    // it is wrong, but the library may look for the end of the line first
    if (!text.startsWith("\r\n", at)) {
      const more = text.slice(at);
      return more.includes("\r\n") || isLong(more) ? end("failed") : end("failed", "incomplete");
    }
    at += 2;
  }

  /** §7.1.2: the trailer section is read and discarded. */
  function trailers(at: number): NaiveBody {
    for (;;) {
      const line = lineAt(text, at);
      if (line === undefined) return end(isLong(text.slice(at)) ? "failed" : "incomplete");
      if (line.length > MAX_CHUNK_LINE) return end("failed");
      at += line.length + 2;
      if (line === "") return end("done");
    }
  }
}

/** The line that begins at `at`, or `undefined` if its end is not there. */
function lineAt(text: string, at: number): string | undefined {
  const end = text.indexOf("\r\n", at);
  return end === -1 ? undefined : text.slice(at, end);
}

/** Whether what there is of a line is over the limit, whatever follows. */
function isLong(text: string): boolean {
  return text.replace(/\r$/, "").length > MAX_CHUNK_LINE;
}
