/**
 * What proves that the server has read the client's handshake. A module of its own, which a server loads as soon as it
 * listens: `node:crypto` takes 15 ms.
 */
// SHA-1 at once (crypto.subtle takes 40 µs a handshake, this 1.5 µs), and MD5, which Web Crypto does not have
import { createHash } from "node:crypto";
import { WsHandshakeError } from "./error.ts";
import { isDigits } from "./head.ts";
import { ACCEPT_GUID } from "./rfc6455.ts";

/** The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 §4.2.2, item 5.4). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(key + ACCEPT_GUID).digest("base64");
}

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
