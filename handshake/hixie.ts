import { createHash } from "node:crypto"; // MD5, which Web Crypto does not have
import { concat } from "@std/bytes";
import { WsHandshakeError } from "./error.ts";
import {
  type Fields,
  formatHead,
  isDigits,
  listHas,
  type RequestHead,
  type ResponseHead,
} from "./head.ts";

/** The drafts that open a connection in their own ways. */
export type HixieVersion = "hixie-75" | "hixie-76";

/** How many bytes follow the head of a hixie-76 request: the third key. */
export const KEY3_LENGTH = 8;
/** How many bytes follow the head of its answer: the MD5 of the three keys. */
export const ANSWER_LENGTH = 16;

/** hixie-76's challenge, as a client sends it. */
export interface Challenge {
  key1: string;
  key2: string;
  key3: Uint8Array;
}

/**
 * The number that a `Sec-WebSocket-Key1` or `-Key2` hides: its digits divided by its spaces (hybi-00 §5.2, steps 4–8).
 *
 * @throws {WsHandshakeError} 400 if there are no spaces, or the division leaves a rest or more than 32 bits.
 */
export function keyNumber(key: string): number {
  let digits = "", spaces = 0;
  for (const char of key) {
    if (char === " ") spaces++;
    else if (isDigits(char)) digits += char;
  }
  const number = Number(digits);
  const fail = (why: string) => new WsHandshakeError(400, `Sec-WebSocket-Key: ${why}`);
  if (spaces === 0) throw fail("there are no spaces in it");
  if (digits === "" || digits.length > 15) throw fail("its digits are no number of up to 32 bits");
  if (number % spaces !== 0) throw fail("its digits cannot be divided by its spaces");
  if (number / spaces > 0xffffffff) throw fail("its number takes more than 32 bits");
  return number / spaces;
}

/** The 16 bytes that answer a challenge (hybi-00 §5.2, steps 9–12). */
export function answerTo({ key1, key2, key3 }: Challenge): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, keyNumber(key1));
  view.setUint32(4, keyNumber(key2));
  bytes.set(key3, 8);
  return Uint8Array.from(createHash("md5").update(bytes).digest());
}

/** A fresh challenge (hybi-00 §4.1, steps 16–26). */
export function generateChallenge(): Challenge {
  return {
    key1: generateKey(),
    key2: generateKey(),
    key3: crypto.getRandomValues(new Uint8Array(KEY3_LENGTH)),
  };
}

/** A whole number from 0 up to, but not including, `below`, which is at most 2^32. */
function random(below: number): number {
  return Math.floor(crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32 * below);
}

function generateKey(): string {
  const spaces = 1 + random(12);
  const number = random(Math.floor(0xffffffff / spaces) + 1);
  const key = [...String(number * spaces)];
  for (let noise = 1 + random(12); noise > 0; noise--) {
    // 0x21–0x2F and 0x3A–0x7E: what is neither a digit nor a space
    const code = random(15 + 69);
    const char = String.fromCharCode(code < 15 ? 0x21 + code : 0x3a + code - 15);
    key.splice(random(key.length + 1), 0, char);
  }
  if (key.length === 1) key.push("!"); // a space must stand between two characters
  for (let i = 0; i < spaces; i++) key.splice(1 + random(key.length - 1), 0, " ");
  return key.join("");
}

/** The bytes of a client's opening request; hixie-75 has no challenge. */
export function formatHixieRequest(
  url: URL,
  challenge: Challenge | undefined,
  protocol: string,
  headers: Headers,
): Uint8Array {
  const fields: [string, string][] = [
    ["Upgrade", "WebSocket"],
    ["Connection", "Upgrade"],
    ["Host", headers.get("host") ?? url.host],
    ["Origin", hixieOrigin(url, headers)],
  ];
  if (protocol !== "") {
    fields.push([challenge ? "Sec-WebSocket-Protocol" : "WebSocket-Protocol", protocol]);
  }
  if (challenge !== undefined) {
    fields.push(["Sec-WebSocket-Key1", challenge.key1], ["Sec-WebSocket-Key2", challenge.key2]);
  }
  for (const field of headers) {
    if (field[0] !== "host" && field[0] !== "origin") fields.push(field);
  }
  const head = formatHead(`GET ${url.pathname}${url.search} HTTP/1.1`, fields);
  return challenge === undefined ? head : concat([head, challenge.key3]);
}

/** The `Origin` of a client: the drafts require one, so the server's own stands in for a program's. */
function hixieOrigin(url: URL, headers: Headers): string {
  return headers.get("origin") ?? url.origin.replace(/^ws/, "http");
}

/**
 * Checks a server's answer to {@linkcode formatHixieRequest}, once its status is known to be 101 (hybi-00 §4.1,
 * steps 32–43). The 16 bytes behind it are the caller's to check.
 *
 * @returns The subprotocol that the server chose, or "".
 */
export function checkHixieResponse(
  response: ResponseHead,
  version: HixieVersion,
  url: URL,
  protocol: string,
  sent: Headers,
): string {
  const { headers, status } = response;
  const prefix = version === "hixie-76" ? "sec-websocket-" : "websocket-";
  const expect = (name: string, expected: string) => {
    const value = headers.get(name);
    if (value?.toLowerCase() !== expected.toLowerCase()) {
      throw new WsHandshakeError(
        status,
        `The server's ${name} is ${JSON.stringify(value)}, expected "${expected}"`,
        { headers },
      );
    }
  };
  expect("upgrade", "WebSocket");
  expect("connection", "Upgrade");
  expect(prefix + "origin", hixieOrigin(url, sent));
  const { protocol: scheme, pathname, search } = url;
  expect(prefix + "location", `${scheme}//${sent.get("host") ?? url.host}${pathname}${search}`);
  if (headers.has(prefix + "protocol")) expect(prefix + "protocol", protocol);
  return headers.get(prefix + "protocol") ?? "";
}

/** Which draft a request opens a connection of, if it is one (a request of RFC 6455 names its version). */
export function hixieVersionOf({ fields }: RequestHead): HixieVersion | undefined {
  if (!listHas(fields, "upgrade", "websocket") || fields.has("sec-websocket-version")) return;
  if (fields.has("sec-websocket-key1") || fields.has("sec-websocket-key2")) return "hixie-76";
  return fields.has("sec-websocket-key") ? undefined : "hixie-75";
}

/** The subprotocols that a client of a draft offers: one, or several with spaces between them. */
export function offeredHixieProtocols(fields: Fields): string[] {
  const offered = fields.get("sec-websocket-protocol") ?? fields.get("websocket-protocol") ?? "";
  return offered.split(/[ ,]/).filter((protocol) => protocol !== "");
}

/** The bytes of a server's answer that opens the connection (hybi-00 §5.2); `answer` follows its head. */
export function formatHixieResponse(
  request: RequestHead,
  version: HixieVersion,
  secure: boolean,
  protocol: string,
  headers: Headers,
  answer: Uint8Array,
): Uint8Array {
  const prefix = version === "hixie-76" ? "Sec-WebSocket-" : "WebSocket-";
  const { fields: asked, target } = request;
  const fields: [string, string][] = [["Upgrade", "WebSocket"], ["Connection", "Upgrade"]];
  const add = (name: string, value: string | null) => {
    // connHeaders may answer these in its own way
    if (value !== null && !headers.has(prefix + name)) fields.push([prefix + name, value]);
  };
  add("Origin", asked.get("origin"));
  add("Location", `${secure ? "wss" : "ws"}://${asked.get("host")}${target}`);
  add("Protocol", protocol === "" ? null : protocol);
  const text = version === "hixie-76"
    ? "WebSocket Protocol Handshake"
    : "Web Socket Protocol Handshake";
  return concat([formatHead(`HTTP/1.1 101 ${text}`, [...fields, ...headers]), answer]);
}
