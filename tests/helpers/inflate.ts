/**
 * An inflater for tests that shares nothing with zlib: it tells how far back a DEFLATE stream refers, which zlib
 * itself checks only roughly.
 */

const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59]
  .concat([67, 83, 99, 115, 131, 163, 195, 227, 258]);
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
  .concat([4, 4, 4, 4, 5, 5, 5, 5, 0]);
/** The order in which the lengths of the code of code lengths stand. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A canonical Huffman code: how many codes there are of each length, and their symbols in order (RFC 1951 §3.2.2). */
interface Code {
  counts: number[];
  symbols: number[];
}

function codeOf(lengths: number[]): Code {
  const counts = new Array<number>(16).fill(0);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  const symbols: number[] = [];
  for (let length = 1; length < 16; length++) {
    lengths.forEach((of, symbol) => of === length && symbols.push(symbol));
  }
  return { counts, symbols };
}

const FIXED_LITERALS = codeOf(
  Array.from({ length: 288 }, (_, at) => at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8),
);
const FIXED_DISTANCES = codeOf(new Array<number>(30).fill(5));

class Inflation {
  readonly output: number[] = [];
  /** The greatest distance so far. */
  farthest = 0;
  readonly #bytes: Uint8Array;
  /** The next bit. */
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  run(): void {
    while (this.#at < this.#bytes.length * 8) this.#block();
  }

  #bits(count: number): number {
    let value = 0;
    for (let bit = 0; bit < count; bit++, this.#at++) {
      const byte = this.#bytes[this.#at >> 3];
      if (byte === undefined) throw new Error("DEFLATE stream ends within a block");
      value |= (byte >> (this.#at & 7) & 1) << bit;
    }
    return value;
  }

  #symbol({ counts, symbols }: Code): number {
    for (let length = 1, code = 0, first = 0, index = 0; length < 16; length++) {
      code |= this.#bits(1);
      const count = counts[length]!;
      if (code - count < first) return symbols[index + code - first]!;
      index += count;
      first = first + count << 1;
      code <<= 1;
    }
    throw new Error("No such code");
  }

  #block(): void {
    this.#bits(1); // BFINAL: another may follow (RFC 7692 §7.2.3.4)
    const type = this.#bits(2);
    if (type === 0) return this.#stored();
    if (type === 1) return this.#codes(FIXED_LITERALS, FIXED_DISTANCES);
    if (type === 3) throw new Error("No such type of block");
    const literals = this.#bits(5) + 257, distances = this.#bits(5) + 1, given = this.#bits(4) + 4;
    const lengths = new Array<number>(19).fill(0);
    for (const symbol of ORDER.slice(0, given)) lengths[symbol] = this.#bits(3);
    const all = this.#lengths(codeOf(lengths), literals + distances);
    this.#codes(codeOf(all.slice(0, literals)), codeOf(all.slice(literals)));
  }

  #stored(): void {
    this.#at = this.#at + 7 & ~7;
    const length = this.#bits(16);
    if ((this.#bits(16) ^ length) !== 0xffff) throw new Error("Length and its complement differ");
    for (let i = 0; i < length; i++) this.output.push(this.#bits(8));
  }

  #lengths(code: Code, count: number): number[] {
    const lengths: number[] = [];
    while (lengths.length < count) {
      const symbol = this.#symbol(code);
      if (symbol < 16) lengths.push(symbol);
      else {
        const last = symbol === 16 ? lengths.at(-1)! : 0;
        const times = symbol === 18 ? 11 + this.#bits(7) : 3 + this.#bits(symbol === 16 ? 2 : 3);
        for (let i = 0; i < times; i++) lengths.push(last);
      }
    }
    return lengths;
  }

  #codes(literals: Code, distances: Code): void {
    for (let symbol; (symbol = this.#symbol(literals)) !== 256;) {
      if (symbol < 256) {
        this.output.push(symbol);
        continue;
      }
      const length = LENGTH_BASE[symbol - 257]! + this.#bits(LENGTH_BITS[symbol - 257]!);
      const code = this.#symbol(distances);
      const extra = code < 4 ? 0 : (code >> 1) - 1;
      const base = code < 4 ? code + 1 : (2 + (code & 1) << extra) + 1;
      const distance = base + this.#bits(extra);
      if (distance > this.output.length) throw new Error("Reference to before the beginning");
      this.farthest = Math.max(this.farthest, distance);
      for (let i = 0; i < length; i++) this.output.push(this.output.at(-distance)!);
    }
  }
}

/** What `bytes`, whole blocks of DEFLATE, inflate to, and how far back they refer at most. */
export function inflate(bytes: Uint8Array): { output: Uint8Array; farthest: number } {
  const inflation = new Inflation(bytes);
  inflation.run();
  return { output: Uint8Array.from(inflation.output), farthest: inflation.farthest };
}
