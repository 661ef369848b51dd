/** What the fuzzer draws from a seeded generator: the same seed makes the same input on every machine. */
import { concat } from "@std/bytes";
import { type Random, randomBytes } from "../helpers/bytes.ts";

export { type Random, randomBytes, seeded } from "../helpers/bytes.ts";

/** True once in so many times. */
export function once(random: Random, inTimes: number): boolean {
  return random(inTimes) === 0;
}

/** A whole number from `from` to `to`, both included. */
export function between(random: Random, from: number, to: number): number {
  return from + random(to - from + 1);
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random(items.length)]!;
}

/** Calls one of these functions. */
export function oneOf<T>(random: Random, makers: readonly (() => T)[]): T {
  return pick(random, makers)();
}

/** `bytes` cut at random places: single bytes, some at a time, or most of it at once. */
export function cut(random: Random, bytes: Uint8Array): Uint8Array[] {
  const pieces = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random(pick(random, [1, 4, 40, 1100, bytes.length]));
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

/**
 * `bytes`, damaged in one to three places, whatever they mean: bits flipped, bytes deleted, inserted, replaced or
 * repeated, the end cut off, or another input in place of it.
 */
export function mutate(
  random: Random,
  bytes: Uint8Array,
  another: () => Uint8Array,
): Uint8Array {
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(bytes.length + 1);
    const length = 1 + random(pick(random, [1, 4, 20]));
    const before = bytes.subarray(0, at);
    const after = bytes.subarray(at + 1);
    bytes = concat(oneOf(random, [
      () => [before, bytes.subarray(at, at + 1).map((byte) => byte ^ 1 << random(8)), after],
      () => [before, Uint8Array.of(pick(random, [0x00, 0x7f, 0x80, 0xfe, 0xff])), after],
      () => [before, bytes.subarray(at + length)],
      () => [before, randomBytes(random, length), bytes.subarray(at)],
      () => [before, bytes.subarray(at, at + length), bytes.subarray(at)],
      () => [before],
      () => [before, another()],
    ]));
  }
  return bytes;
}
