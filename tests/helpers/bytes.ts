/** Bytes for tests: of texts, from hex and back, and random ones that are the same in every run. */

/** A text in UTF-8. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

export function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text.replaceAll(" ", ""));
}

export function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** A generator of numbers from 0 up to, but not including, `below`: mulberry32. */
export type Random = (below: number) => number;

export function seeded(seed: number): Random {
  return (below) => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return Math.floor(((t ^ t >>> 14) >>> 0) / 2 ** 32 * below);
  };
}

export function randomBytes(random: Random, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => random(256));
}

/** `bytes` in pieces: whole, byte by byte, and three times at random places. */
export function splits(bytes: Uint8Array, random: Random): Uint8Array[][] {
  const ways = [[bytes], Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))];
  for (let way = 0; way < 3; way++) {
    const pieces = [];
    for (let at = 0; at < bytes.length;) {
      const length = 1 + random(random(2) === 0 ? 4 : bytes.length);
      pieces.push(bytes.subarray(at, at + length));
      at += length;
    }
    ways.push(pieces);
  }
  return ways;
}
