/** Inputs for permessage-deflate: streams of frames in which messages are compressed, well, oddly, or wrongly. */
import { concat } from "@std/bytes";
import { constants, deflateRawSync } from "node:zlib";
import {
  closeFrame,
  controlFrame,
  faultyFrame,
  frame,
  message,
  noise,
  someKey,
  someLength,
  someText,
  type Stream,
} from "./generate.ts";
import { DISTANCES, FIXED_DISTANCES, FIXED_LITERALS, LENGTHS } from "./naive_inflate.ts";
import { between, mutate, once, oneOf, pick, type Random, randomBytes } from "./random.ts";

/** What a stream of compressed messages is made for. */
export interface DeflateStream extends Stream {
  windowBits: number;
  noContextTakeover: boolean;
}

const { Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH } = constants;
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);
/** The longest bomb: it shall be over a limit, not last. */
const MAX_BOMB = 40_000;

/** A stream of frames in which messages are compressed. */
export function deflateFrames(random: Random, stream: DeflateStream): Uint8Array {
  if (once(random, 20)) return noise(random, [0xc1, 0xc2, 0x41, 0x42, 0xc0, 0xc9, 0x81]);
  const make = () => new Sender(random, stream).frames();
  return once(random, 5) ? mutate(random, make(), make) : make();
}

/** Compresses message after message, each with what it knows of those before it as its dictionary: as a stream of zlib would. */
class Sender {
  readonly #random: Random;
  readonly #stream: DeflateStream;
  readonly #words: Uint8Array[];
  /** What may be referred to. */
  #history: Uint8Array = new Uint8Array(0);

  constructor(random: Random, stream: DeflateStream) {
    this.#random = random;
    this.#stream = stream;
    this.#words = Array.from({ length: 8 }, () => {
      return randomBytes(random, between(random, 2, 12)).map((byte) => 0x61 + byte % 26);
    });
  }

  frames(): Uint8Array {
    const [random, stream] = [this.#random, this.#stream];
    const parts: Uint8Array[] = [];
    for (let count = 2 + random(6); count > 0; count--) {
      if (once(random, 30)) parts.push(closeFrame(random, stream));
      else if (once(random, 40)) parts.push(faultyFrame(random, stream));
      else if (once(random, 60)) parts.push(this.#reserved());
      else if (once(random, 8)) parts.push(controlFrame(random, stream));
      else if (once(random, 5)) parts.push(...message(random, stream));
      else parts.push(...this.#compressedMessage());
    }
    return concat(parts);
  }

  /** A frame with RSV1 where it must not be, RFC 7692 §6. */
  #reserved(): Uint8Array {
    const first = pick(this.#random, [0xc0, 0x40, 0xc8, 0xc9, 0xca, 0xe1, 0xd1, 0x49]);
    const payload = first === 0xc8 ? Uint8Array.of(3, 232) : this.#blocks(new Uint8Array(3));
    return frame(first, payload, someKey(this.#random, this.#stream));
  }

  /** A message in one frame, or in several with other frames between them. */
  #compressedMessage(): Uint8Array[] {
    const random = this.#random;
    const parts: Uint8Array[] = [];
    const opcode = pick(random, [1, 2]);
    let left = this.#compressed(opcode === 1);
    let first = 0x40 | opcode;
    const add = (fin: number, payload: Uint8Array) => {
      if (first === 0 && once(random, 60)) first = 0x40;
      parts.push(frame(fin | first, payload, someKey(random, this.#stream)));
      first = 0;
    };
    if (once(random, 3)) {
      for (let count = 1 + random(4); count > 0; count--) {
        const cutAt = once(random, 8) ? left.length : random(left.length + 1);
        add(0, left.subarray(0, cutAt));
        left = left.subarray(cutAt);
        if (once(random, 3)) parts.push(controlFrame(random, this.#stream));
        if (once(random, 60)) parts.push(...message(random, this.#stream));
      }
    }
    add(0x80, left);
    return parts;
  }

  /** RFC 7692 §7.2.1: the payload of a message. */
  #compressed(isText: boolean): Uint8Array {
    const { noContextTakeover } = this.#stream;
    const random = this.#random;
    let payload = once(random, 6)
      ? this.#byHand()
      : once(random, 60)
      ? this.#finalBlocks()
      : this.#blocks(this.#content(isText));
    // what is not to be referred to any more is, now and then; and what is need not be
    if (noContextTakeover ? !once(random, 12) : once(random, 20)) this.#forget();
    if (once(random, 16)) payload = mutate(random, payload, () => randomBytes(random, 9));
    else if (once(random, 24)) payload = payload.subarray(0, random(payload.length + 1));
    return payload;
  }

  #forget(): void {
    this.#history = new Uint8Array(0);
  }

  /** Something that can be compressed, mostly. */
  #content(isText: boolean): Uint8Array {
    const random = this.#random;
    const { limit } = this.#stream;
    const length = someLength(random, limit);
    return oneOf(random, [
      () => isText ? someText(random, length) : randomBytes(random, length),
      () =>
        new Uint8Array(once(random, 4) ? Math.min(limit + 1 + random(limit), MAX_BOMB) : length),
      () => this.#history.subarray(random(this.#history.length + 1)),
      ...new Array(5).fill(() => {
        const words = [];
        for (let count = random(length); count >= 0; count -= 4) {
          words.push(pick(random, this.#words));
        }
        return concat(words);
      }),
    ]);
  }

  /** The blocks of a content, made by zlib in up to three runs, which may differ in all that can be set. */
  #blocks(content: Uint8Array): Uint8Array {
    const random = this.#random;
    const blocks: Uint8Array[] = [];
    let flush: number = Z_SYNC_FLUSH;
    for (let runs = once(random, 3) ? between(random, 1, 3) : 1; runs > 0; runs--) {
      const part = content.subarray(0, runs === 1 ? undefined : random(content.length + 1));
      content = content.subarray(part.length);
      flush = once(random, 4) ? pick(random, [Z_FULL_FLUSH, Z_FINISH]) : Z_SYNC_FLUSH;
      blocks.push(this.#run(part, flush));
    }
    // RFC 7692 §7.2.3.4: behind BFINAL an empty block begins, whose rest is the tail
    if (flush === Z_FINISH) return concat([...blocks, new Uint8Array(once(random, 4) ? 0 : 1)]);
    const whole = concat(blocks);
    const end = whole.length - TAIL.length;
    // RFC 7692 §7.2.3.6: where there is nothing to flush
    if (whole.subarray(Math.max(end, 0)).toHex() !== TAIL.toHex()) return Uint8Array.of(0x00);
    return whole.subarray(0, end);
  }

  #run(part: Uint8Array, flush: number): Uint8Array {
    const random = this.#random;
    const windowBits = Math.max(9, between(random, 8, this.#stream.windowBits));
    // as a stream does that has compressed it before
    const dictionary = this.#history.subarray(-(2 ** windowBits));
    const compressed = deflateRawSync(part, {
      ...(dictionary.length > 0 ? { dictionary } : {}),
      // zlib makes 9 of 8 itself, and then refers no further back than 250 bytes
      windowBits,
      level: random(10),
      memLevel: between(random, 1, 9),
      strategy: random(5),
      finishFlush: flush,
    });
    // nothing may refer to what stands before a final block, and zlib itself refers to nothing before a full flush
    if (flush !== Z_SYNC_FLUSH) this.#forget();
    else this.#history = concat([this.#history, part]);
    return new Uint8Array(compressed);
  }

  /** So many final blocks, empty ones, that it is too many, or nearly. */
  #finalBlocks(): Uint8Array {
    const random = this.#random;
    this.#forget();
    const empty = Uint8Array.of(0x03, 0x00);
    const blocks = Array.from({ length: between(random, 14, 20) }, () => empty);
    // empty blocks that are not final make them fewer for each KiB
    const more = new Uint8Array(1250).map((_, at) => at % 5 < 3 ? 0x00 : 0xff);
    if (once(random, 2)) blocks.splice(random(blocks.length + 1), 0, more);
    return concat([...blocks, this.#blocks(new Uint8Array(random(3)))]);
  }

  /** A block with references that zlib makes none of: of all lengths, to the last byte of the window, and beyond. */
  #byHand(): Uint8Array {
    const random = this.#random;
    const windowSize = 2 ** this.#stream.windowBits;
    const block = new FixedBlock(once(random, 4));
    const known = () => this.#history.length + block.length;
    for (let count = 1 + random(8); count > 0; count--) {
      if (once(random, 2) || known() === 0) {
        block.literal(0x61 + random(26));
        continue;
      }
      const length = pick(random, [3, 4, 10, 11, 257, 258, between(random, 3, 258)]);
      const edges = [1, 2, 4, 5, windowSize - 1, windowSize, known()];
      const inOrder = edges.filter((distance) => distance <= Math.min(windowSize, known()));
      const beyond = [windowSize + 1, known(), known() + 1, 32_768];
      const distance = pick(random, once(random, 30) ? beyond : inOrder);
      if (distance > 0 && distance <= 32_768) block.match(length, distance);
    }
    // what it is of does not matter to what comes
    if (block.final) this.#forget();
    else this.#history = concat([this.#history, new Uint8Array(block.length).fill(0x61)]);
    return block.end();
  }
}

const [LITERAL_CODES, DISTANCE_CODES] = [FIXED_LITERALS, FIXED_DISTANCES].map(({ symbols }) => {
  return new Map([...symbols].map(([code, symbol]) => [symbol, code]));
}) as [Map<number, string>, Map<number, string>];

/** A block with fixed codes, bit by bit (RFC 1951 §3.2.6). */
class FixedBlock {
  /** How many bytes it inflates to. */
  length = 0;
  readonly final: boolean;
  #bits: string;

  constructor(final: boolean) {
    this.final = final;
    this.#bits = (final ? "1" : "0") + "10";
  }

  literal(byte: number): void {
    this.#bits += LITERAL_CODES.get(byte);
    this.length++;
  }

  match(length: number, distance: number): void {
    this.#extended(LITERAL_CODES, 257, LENGTHS, length);
    this.#extended(DISTANCE_CODES, 0, DISTANCES, distance);
    this.length += length;
  }

  #extended(codes: Map<number, string>, first: number, table: typeof LENGTHS, value: number): void {
    const at = table.findLastIndex(([base]) => base <= value);
    const [base, extra] = table[at]!;
    this.#bits += codes.get(first + at);
    for (let bit = 0; bit < extra; bit++) this.#bits += value - base >> bit & 1;
  }

  /** The block, and the beginning of an empty one, which ends with the tail. */
  end(): Uint8Array {
    this.#bits += LITERAL_CODES.get(256);
    if (!this.final) this.#bits += "000";
    const bytes = new Uint8Array(Math.ceil(this.#bits.length / 8) + (this.final ? 1 : 0));
    Array.from(this.#bits, (bit, at) => bytes[at >> 3]! |= Number(bit) << (at & 7));
    return bytes;
  }
}
