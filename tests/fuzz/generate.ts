/** Inputs for the framings: streams of frames that are in order, nearly in order, damaged, or nothing but noise. */
import { concat } from "@std/bytes";
import { between, mutate, once, oneOf, pick, type Random, randomBytes } from "./random.ts";

/** What a stream of frames is made for. */
export interface Stream {
  /** Whether the frames are to be masked: those of a client are. */
  masked: boolean;
  /** The longest message that is taken. */
  limit: number;
}

/** Lengths at which a header changes its form. */
const EDGES = [0, 125, 126, 127];
/** Lengths at which the buffer of an idle connection is full, with and without the header. */
const BUFFER_EDGES = [1010, 1016, 1020, 1024];
const LONG_EDGES = [16_384, 32_768, 65_535, 65_536];
/** Lengths that nobody means: over a limit, over 32, 53, 63 and 64 bits. */
const HOSTILE = [4097n, 65_535n, 65_536n, 2n ** 20n, 2n ** 24n, 2n ** 31n, 2n ** 32n, 2n ** 40n]
  .concat(2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n);
/** Lengths at the borders of what 1, 2 or 8 bytes of length are for. */
const MINIMAL = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536];
/** Close codes at the borders of what may be sent, RFC 6455 §7.4. */
const CODES = [
  ...[0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013],
  ...[1014, 1015, 1016, 1100, 1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 16_384, 65_535],
];

const encoder = new TextEncoder();
/** Characters at the borders of the lengths of their encodings, and a byte order mark. */
const CHARACTERS = Array.from(
  "a~\0\x7f\x80é\u07ff\u0800€\ud7ff\ue000\ufeff\ufffd\uffff\u{10000}𝄞\u{10ffff}",
  (character) => encoder.encode(character),
);
/** What looks like UTF-8 and is none: overlong, surrogates, above U+10FFFF, or cut (Unicode, table 3-7). */
const BROKEN =
  ("80 bf c080 c1bf c2 c328 e08080 e09fbf e2 e282 eda080 edbfbf f0808080 f08fbfbf f0 f09d f09d84 " +
    "f4908080 f5808080 fe").split(" ").map((hex) => Uint8Array.fromHex(hex));

/** A length, near an edge more often than one that is drawn would be; seldom a long one, which takes the time of many. */
export function someLength(random: Random, limit: number): number {
  if (!once(random, 4)) return random(12);
  const edges = once(random, 8)
    ? limit >= 65_536 && once(random, 2) ? LONG_EDGES : [...BUFFER_EDGES, Math.min(limit, 5000)]
    : limit < 200
    ? [...EDGES, limit]
    : EDGES;
  return Math.max(0, pick(random, edges) + between(random, -2, 2));
}

/** Text of about this length in bytes; invalid in one place now and then. */
export function someText(random: Random, length: number): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let left = length;
  if (left > 64) { // one long run, with something at its end
    const run = left - between(random, 0, 9);
    parts.push(new Uint8Array(run).fill(0x78));
    left -= run;
  }
  const characters = once(random, 2) ? CHARACTERS : CHARACTERS.slice(0, 2);
  while (left > 0) {
    const part = pick(random, characters);
    parts.push(part);
    left -= part.length;
  }
  if (once(random, 8)) parts.splice(random(parts.length + 1), 0, pick(random, BROKEN));
  return concat(parts);
}

/** One frame as RFC 6455 §5.2 draws it, `declared` and `lengthBytes` being as wrong as they are asked to be. */
export function frame(
  first: number,
  payload: Uint8Array,
  key: Uint8Array | undefined,
  declared: bigint = BigInt(payload.length),
  lengthBytes: number = declared < 126n ? 0 : declared < 65_536n ? 2 : 8,
): Uint8Array {
  const head = [first];
  const short = lengthBytes === 0 ? Number(declared) & 0x7f : lengthBytes === 2 ? 126 : 127;
  head.push((key === undefined ? 0 : 0x80) | short);
  for (let i = lengthBytes - 1; i >= 0; i--) head.push(Number(declared >> BigInt(8 * i) & 0xffn));
  if (key === undefined) return concat([Uint8Array.from(head), payload]);
  const masked = payload.map((byte, at) => byte ^ key[at % 4]!);
  return concat([Uint8Array.from(head), key, masked]);
}

/** A stream of RFC 6455 frames. */
export function frames(random: Random, stream: Stream): Uint8Array {
  if (once(random, 12)) return noise(random, [0x81, 0x82, 0x01, 0x88, 0x89, 0x8a]);
  if (once(random, 1000)) return pings(random, stream);
  const sound = soundFrames(random, stream);
  return once(random, 3) ? mutate(random, sound, () => soundFrames(random, stream)) : sound;
}

function soundFrames(random: Random, stream: Stream): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let count = 1 + random(6); count > 0; count--) {
    if (once(random, 12)) parts.push(closeFrame(random, stream));
    else if (once(random, 14)) parts.push(faultyFrame(random, stream));
    else if (once(random, 4)) parts.push(controlFrame(random, stream));
    else parts.push(...message(random, stream));
  }
  return concat(parts);
}

export function someKey(random: Random, { masked }: Stream): Uint8Array | undefined {
  return masked ? once(random, 8) ? new Uint8Array(4) : randomBytes(random, 4) : undefined;
}

/** A message in one frame, or in several with control frames between them. */
export function message(random: Random, stream: Stream): Uint8Array[] {
  const isText = once(random, 2);
  const length = someLength(random, stream.limit);
  let left: Uint8Array = isText ? someText(random, length) : randomBytes(random, length);
  const parts: Uint8Array[] = [];
  let opcode = isText ? 1 : 2;
  if (once(random, 3)) {
    for (let count = 1 + random(3); count > 0; count--) {
      const cutAt = random(left.length + 1); // within a character, as likely as not
      parts.push(frame(opcode, left.subarray(0, cutAt), someKey(random, stream)));
      if (once(random, 3)) parts.push(controlFrame(random, stream));
      left = left.subarray(cutAt);
      opcode = 0;
    }
  }
  parts.push(frame(0x80 | opcode, left, someKey(random, stream)));
  return parts;
}

export function controlFrame(random: Random, stream: Stream): Uint8Array {
  const payload = randomBytes(random, once(random, 6) ? between(random, 123, 125) : random(8));
  return frame(pick(random, [0x89, 0x8a]), payload, someKey(random, stream));
}

export function closeFrame(random: Random, stream: Stream): Uint8Array {
  const code = once(random, 3) ? pick(random, CODES) : 1000;
  const reason = once(random, 2) ? someText(random, pick(random, [4, 120])).subarray(0, 123) : [];
  const payload = Uint8Array.of(code >> 8, code & 0xff, ...reason);
  // nothing, or half a code, or all of it
  const length = once(random, 5) ? random(2) : payload.length;
  return frame(0x88, payload.subarray(0, length), someKey(random, stream));
}

/** A frame that breaks one rule of §5. */
export function faultyFrame(random: Random, stream: Stream): Uint8Array {
  const first = pick(random, [0x80, 0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a]);
  const payload = someText(random, random(12));
  const key = someKey(random, stream);
  return oneOf(random, [
    () => frame(first | pick(random, [0x10, 0x20, 0x40]), payload, key),
    () => frame(first & 0xf0 | pick(random, [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), payload, key),
    () => frame(first & 0x7f, payload, key),
    () => frame(first & 0xf0, payload, key), // a continuation, likely of nothing
    () => frame(first, payload, key === undefined ? randomBytes(random, 4) : undefined),
    () => frame(first, new Uint8Array(between(random, 124, 130)), key),
    () => frame(first, payload, key, BigInt(payload.length), pick(random, [2, 8])),
    () => frame(first, payload, key, BigInt(pick(random, MINIMAL)), pick(random, [2, 8])),
    () => frame(first & 0xf7, someText(random, 125), key, 125n, 2),
    () => frame(first, new Uint8Array(300), key, 300n, 8),
    () => frame(first, payload, key, BigInt(random(126)), 0),
    () => frame(first, payload, key, pick(random, HOSTILE), 8),
    () => frame(first, payload, key, BigInt(stream.limit) + BigInt(random(3)) - 1n),
  ]);
}

/** So many Pings that not all of them need an answer, §5.5.3. */
function pings(random: Random, stream: Stream): Uint8Array {
  const count = between(random, 510, 700);
  return concat(Array.from({ length: count }, (_, index) => {
    const payload = new Uint8Array(125).fill(index & 0xff);
    return frame(0x89, payload, someKey(random, stream));
  }));
}

/** Random bytes, the first of which may be likely ones. */
export function noise(random: Random, starts: readonly number[]): Uint8Array {
  const bytes = randomBytes(random, 1 + random(60));
  if (once(random, 2)) bytes[0] = pick(random, starts);
  return bytes;
}

/** A stream of frames of the drafts, in the framing that is asked for. */
export function hixieFrames(random: Random, mode: "old" | "new", limit: number): Uint8Array {
  if (once(random, 12)) return noise(random, [0x00, 0x80, 0xff]);
  const make = () => {
    const count = 1 + random(6);
    const one = mode === "old" ? oldFrame : newFrame;
    return concat(Array.from({ length: count }, () => one(random, limit)));
  };
  return once(random, 3) ? mutate(random, make(), make) : make();
}

/** hybi-00 §5.3 */
function oldFrame(random: Random, limit: number): Uint8Array {
  if (once(random, 14)) return Uint8Array.of(0xff, 0x00);
  const payload = someText(random, someLength(random, limit));
  if (!once(random, 4)) return concat([Uint8Array.of(0x00), payload, Uint8Array.of(0xff)]);
  const type = random(256);
  if (type < 0x80) return concat([Uint8Array.of(type), payload, Uint8Array.of(0xff)]);
  const declared = once(random, 4) ? pick(random, HOSTILE) : BigInt(payload.length);
  const digits = [Number(declared & 0x7fn)];
  for (let rest = declared >> 7n; rest > 0n; rest >>= 7n) {
    digits.unshift(0x80 | Number(rest & 0x7fn));
  }
  const zeros = once(random, 4) ? new Array<number>(random(11)).fill(0x80) : [];
  return concat([Uint8Array.of(type, ...zeros, ...digits), payload]);
}

function newFrame(random: Random, limit: number): Uint8Array {
  const type = once(random, 14) ? pick(random, [0x00, 0x00, 0x01, 0x80, 0xfe]) : 0xff;
  const empty = type === 0x00 && !once(random, 3);
  const payload = empty ? new Uint8Array(0) : someText(random, someLength(random, limit));
  const declared = once(random, 20) ? pick(random, HOSTILE) : BigInt(payload.length);
  const header = new Uint8Array(9);
  header[0] = type;
  new DataView(header.buffer).setBigUint64(1, declared);
  return concat([header, payload]);
}
