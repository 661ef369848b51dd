import { type MaskProgram, maskProgram, PART } from "./mask_simd.ts";

/** A masking key is held as a number, its first byte in the lowest eight bits. */

/** From this length on the way to the {@linkcode maskProgram} and back is worth it (`deno task bench:micro`). */
export const PROGRAM_FROM = 1024;
/** From this length on a view of 32-bit words is worth its 23 ns (`deno task bench:micro`). */
const WORDS_FROM = 48;

/**
 * Masks or unmasks `bytes[start..end)` in place: octet i is XORed with octet i MOD 4 of the key
 * ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.3 | RFC 6455 §5.3}).
 *
 * @param bytes The buffer.
 * @param start Where the payload begins.
 * @param end Where it ends.
 * @param key The masking key, its first byte in the lowest eight bits.
 * @returns A number below 0x80 in every octet if and only if the result is ASCII.
 *
 * @example The masked "Hello" of RFC 6455 §5.7
 * ```ts
 * import { applyMask } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const payload = Uint8Array.of(0x7f, 0x9f, 0x4d, 0x51, 0x58);
 * applyMask(payload, 0, 5, 0x3d_21_fa_37);
 * assertEquals(new TextDecoder().decode(payload), "Hello");
 * ```
 */
export function applyMask(bytes: Uint8Array, start: number, end: number, key: number): number {
  const length = end - start;
  if (length < WORDS_FROM) return maskBytes(bytes, start, end, key);
  const program = length >= PROGRAM_FROM && maskProgram();
  if (program) {
    const payload = length === bytes.length ? bytes : bytes.subarray(start, end); // a view takes 25 ns
    return maskParts(program, payload, bytes, start, key);
  }
  const aligned = start + (-(bytes.byteOffset + start) & 3);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + aligned, end - aligned >> 2);
  const seen = maskBytes(bytes, start, aligned, key);
  key = rotateKey(key, aligned - start);
  const rest = aligned + (words.length << 2);
  return seen | maskWords(words, 0, words.length, key) | maskBytes(bytes, rest, end, key);
}

/** As {@linkcode applyMask}, where `words` are all of `bytes` as words of 32 bits: that view need not be made each time. */
export function applyMaskWithin(
  bytes: Uint8Array,
  words: Uint32Array,
  start: number,
  end: number,
  key: number,
): number {
  const program = end - start >= PROGRAM_FROM && maskProgram();
  if (program) return maskParts(program, bytes.subarray(start, end), bytes, start, key);
  const first = start + 3 >> 2;
  const last = end >> 2;
  if (last <= first) return maskBytes(bytes, start, end, key);
  const seen = maskBytes(bytes, start, first << 2, key);
  key = rotateKey(key, (first << 2) - start);
  return seen | maskWords(words, first, last, key) | maskBytes(bytes, last << 2, end, key);
}

/** A copy of `bytes`, masked. */
export function maskedCopy(bytes: Uint8Array, key: number): Uint8Array<ArrayBuffer> {
  const { length } = bytes;
  const program = length >= PROGRAM_FROM && length <= PART && maskProgram();
  if (program) return new Uint8Array(program.masked(bytes, key));
  const copy = new Uint8Array(bytes);
  applyMask(copy, 0, length, key);
  return copy;
}

/** Copies `bytes`, masked, into `into` at `at`. */
export function maskInto(bytes: Uint8Array, into: Uint8Array, at: number, key: number): void {
  const program = bytes.length >= PROGRAM_FROM && maskProgram();
  if (program) return void maskParts(program, bytes, into, at, key);
  into.set(bytes, at);
  applyMask(into, at, at + bytes.length, key);
}

/** As {@linkcode maskInto}; `bytes` may be what lies in `into` there. */
function maskParts(
  program: MaskProgram,
  bytes: Uint8Array,
  into: Uint8Array,
  at: number,
  key: number,
): number {
  let seen = 0;
  for (let done = 0; done < bytes.length; done += PART) {
    const part = bytes.length <= PART ? bytes : bytes.subarray(done, done + PART);
    into.set(program.masked(part, key), at + done); // all but the last are multiples of four bytes: the key needs no rotating
    seen |= program.seen;
  }
  return seen;
}

/** Every machine that Deno runs on is little-endian, so the key needs no swapping. */
function maskWords(words: Uint32Array, start: number, end: number, key: number): number {
  let seen = 0;
  for (let i = start; i < end; i++) seen |= words[i]! ^= key;
  return seen;
}

function maskBytes(bytes: Uint8Array, start: number, end: number, key: number): number {
  const k0 = key & 0xff, k1 = key >>> 8 & 0xff, k2 = key >>> 16 & 0xff, k3 = key >>> 24;
  let seen = 0;
  let at = start;
  for (; at + 3 < end; at += 4) {
    seen |= (bytes[at]! ^= k0) | (bytes[at + 1]! ^= k1) | (bytes[at + 2]! ^= k2) |
      (bytes[at + 3]! ^= k3);
  }
  if (at < end) seen |= bytes[at]! ^= k0;
  if (at + 1 < end) seen |= bytes[at + 1]! ^= k1;
  if (at + 2 < end) seen |= bytes[at + 2]! ^= k2;
  return seen;
}

/** The key with which to go on after `count` bytes have been masked. */
export function rotateKey(key: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? key : key >>> bits | key << 32 - bits;
}

const keys = new Uint32Array(1024);
let unused = 0;

/**
 * A fresh masking key, not to be guessed: every one from `crypto.getRandomValues`
 * ({@link https://www.rfc-editor.org/rfc/rfc6455#section-10.3 | RFC 6455 §10.3}), which is asked for 1,024 at a time.
 *
 * @returns The key.
 *
 * @example
 * ```ts
 * import { nextMaskKey } from "@wsconn/ws/framing";
 * import { assertNotEquals } from "@std/assert";
 *
 * assertNotEquals(nextMaskKey(), nextMaskKey());
 * ```
 */
export function nextMaskKey(): number {
  if (unused === 0) {
    crypto.getRandomValues(keys);
    unused = keys.length;
  }
  return keys[--unused]!;
}
