/**
 * A second inflater, for the fuzzer to compare what comes of zlib with: RFC 1951 bit by bit, over the whole stream from its
 * first byte. Unlike zlib, it counts how far back each reference goes.
 */

/** What a DEFLATE stream, or the beginning of one, inflates to. */
export interface Inflation {
  output: number[];
  /** Whether it ends within a block or between two, ends with a final block, or is no DEFLATE from some bit on. */
  status: "unfinished" | "final" | "invalid";
  /** How many bytes it takes, with a final block. */
  end: number;
  /** How many references reach beyond the window, but no further than zlib may see. */
  far: number;
}

/** Nothing is wrong, but the input ends here. */
class Unfinished extends Error {}
/** No continuation can make it DEFLATE. */
class Invalid extends Error {}

/**
 * Inflates `bytes`, the window being of `windowSize` bytes. Besides that zlib has the output that it is at work on, which may
 * be all behind the first `known` bytes.
 */
export function inflate(bytes: Uint8Array, windowSize: number, known: number): Inflation {
  const inflater = new Inflater(bytes, windowSize, known);
  let status: Inflation["status"] = "final";
  try {
    inflater.run();
  } catch (error) {
    if (error instanceof Unfinished) status = "unfinished";
    else if (error instanceof Invalid) status = "invalid";
    else throw error;
  }
  const { output, far } = inflater;
  return { output, status, end: Math.ceil(inflater.at / 8), far };
}

/** §3.2.5: how long the match of a code from 257 on is, and how many extra bits say it exactly. */
export const LENGTHS: [base: number, extra: number][] = [];
for (let extra = 0, base = 3; extra < 6; extra++) {
  for (let i = 0; i < (extra === 0 ? 8 : 4); i++, base += 2 ** extra) LENGTHS.push([base, extra]);
}
LENGTHS.push([258, 0]);

/** §3.2.5: the same for the codes of distances. */
export const DISTANCES: [base: number, extra: number][] = [];
for (let extra = 0, base = 1; extra < 14; extra++) {
  for (let i = 0; i < (extra === 0 ? 4 : 2); i++, base += 2 ** extra) DISTANCES.push([base, extra]);
}

/** §3.2.7: the order of the lengths of the code that the other lengths are written in. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A Huffman code: the symbol of each code, which is written as a text of bits; and the longest of them. */
export interface Code {
  symbols: Map<string, number>;
  longest: number;
}

/** §3.2.2: the code for the lengths of its symbols; `undefined` if there is none, or not all codes would be used. */
function codeOf(lengths: number[]): Code | undefined {
  const symbols = new Map<string, number>();
  let next = 0;
  let longest = 0;
  for (let length = 1; length <= 15; length++) {
    next *= 2;
    lengths.forEach((each, symbol) => {
      if (each !== length) return;
      symbols.set(next.toString(2).padStart(length, "0"), symbol);
      longest = length;
      next++;
    });
    if (next > 2 ** length) return undefined;
  }
  // §3.2.7 and zlib: a single code of one bit may leave the other unused, and there may be no codes at all
  return next === 2 ** 15 || longest <= 1 ? { symbols, longest } : undefined;
}

/** §3.2.6; the last two of each can be written, and mean nothing. */
export const FIXED_LITERALS = codeOf(
  Array.from({ length: 288 }, (_, at) => at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8),
)!;
export const FIXED_DISTANCES = codeOf(new Array<number>(32).fill(5))!;

class Inflater {
  readonly output: number[] = [];
  far = 0;
  /** The next bit. */
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #windowSize: number;
  readonly #known: number;

  constructor(bytes: Uint8Array, windowSize: number, known: number) {
    this.#bytes = bytes;
    this.#windowSize = windowSize;
    this.#known = known;
  }

  /** §3.2.3, up to the end of a final block. */
  run(): void {
    for (let final = false; !final;) {
      final = this.#bits(1) === 1;
      const type = this.#bits(2);
      if (type === 0) this.#stored();
      else if (type === 1) this.#compressed(FIXED_LITERALS, FIXED_DISTANCES);
      else if (type === 2) this.#dynamic();
      else throw new Invalid();
    }
  }

  #bit(): number {
    const byte = this.#bytes[this.at >> 3];
    if (byte === undefined) throw new Unfinished();
    return byte >> (this.at++ & 7) & 1;
  }

  /** §3.1.1: the least significant bit comes first. */
  #bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value += this.#bit() * 2 ** i;
    return value;
  }

  #symbol({ symbols, longest }: Code): number {
    let code = "";
    do {
      code += this.#bit();
      const symbol = symbols.get(code);
      if (symbol !== undefined) return symbol;
    } while (code.length < longest);
    throw new Invalid();
  }

  /** §3.2.4 */
  #stored(): void {
    this.at = Math.ceil(this.at / 8) * 8;
    const [length, complement] = [this.#bits(16), this.#bits(16)];
    if (length + complement !== 0xffff) throw new Invalid();
    for (let i = 0; i < length; i++) this.output.push(this.#bits(8));
  }

  /** §3.2.7 */
  #dynamic(): void {
    const literals = 257 + this.#bits(5);
    const distances = 1 + this.#bits(5);
    const given = 4 + this.#bits(4);
    if (literals > 286 || distances > 30) throw new Invalid();
    const own = new Array<number>(19).fill(0);
    for (const symbol of ORDER.slice(0, given)) own[symbol] = this.#bits(3);
    const code = codeOf(own);
    // not all codes used: the exception for one or none is for the other two codes only
    if (code === undefined || code.longest === 1 && code.symbols.size === 1) throw new Invalid();
    const lengths = this.#codeLengths(code, literals + distances);
    const [literal, distance] = [lengths.slice(0, literals), lengths.slice(literals)].map(codeOf);
    if (literal === undefined || distance === undefined) throw new Invalid();
    this.#compressed(literal, distance);
  }

  #codeLengths(code: Code, count: number): number[] {
    const lengths: number[] = [];
    while (lengths.length < count) {
      // no code at all: zlib notices it at the end of the lengths only, each of them being a bit, whatever it is
      const symbol = code.longest === 0 ? 0 * this.#bit() : this.#symbol(code);
      if (symbol < 16) {
        lengths.push(symbol);
        continue;
      }
      const [least, extra] = ([[3, 2], [3, 3], [11, 7]] as const)[symbol - 16]!;
      const times = least + this.#bits(extra);
      const length = symbol === 16 ? lengths.at(-1) : 0;
      if (length === undefined || lengths.length + times > count) throw new Invalid();
      for (let i = 0; i < times; i++) lengths.push(length);
    }
    if (lengths[256] === 0) throw new Invalid(); // the block could not end
    return lengths;
  }

  /** §3.2.5 */
  #compressed(literals: Code, distances: Code): void {
    for (let symbol; (symbol = this.#symbol(literals)) !== 256;) {
      if (symbol < 256) {
        this.output.push(symbol);
        continue;
      }
      const length = this.#extended(LENGTHS[symbol - 257]);
      const distance = this.#extended(DISTANCES[this.#symbol(distances)]);
      if (distance > this.output.length) throw new Invalid();
      if (distance > this.#windowSize) {
        const fresh = this.output.length - this.#known;
        if (fresh >= 0 && distance > this.#windowSize + fresh) throw new Invalid();
        this.far++;
      }
      for (let i = 0; i < length; i++) this.output.push(this.output.at(-distance)!);
    }
  }

  #extended(code: [base: number, extra: number] | undefined): number {
    if (code === undefined) throw new Invalid();
    const [base, extra] = code;
    return base + this.#bits(extra);
  }
}

/** What of a compressed message there is. */
export interface InflatedMessage {
  bytes: number[];
  /** Whether it is no DEFLATE: because of what was taken last, and perhaps only, depending on how zlib is fed. */
  invalid: "no" | "perhaps" | "yes";
}

const TAIL = [0x00, 0x00, 0xff, 0xff];

/**
 * RFC 7692 §7.2.2, for all messages of one direction. A message that ends within a block is not told from another by zlib: what
 * there is of it is the message, and the block goes on with the next one. So it is here.
 */
export class MessageInflater {
  readonly #windowSize: number;
  readonly #noContextTakeover: boolean;
  /** The DEFLATE stream that goes on, how much of its output is known already, and how many references were far. */
  #stream: number[] = [];
  #known = 0;
  #far = 0;
  /** The message: what it inflates to, and whether anything of it has been taken. */
  #bytes: number[] = [];
  #begun = false;

  constructor(windowBits: number, noContextTakeover: boolean) {
    this.#windowSize = 2 ** windowBits;
    this.#noContextTakeover = noContextTakeover;
  }

  /** A message begins. */
  begin(): void {
    this.#bytes = [];
    this.#begun = false;
  }

  /** Takes what has arrived of the payload of a frame, with which the message ends if it is the last. */
  take(payload: number[], last: boolean): InflatedMessage {
    const message: InflatedMessage = { bytes: this.#bytes, invalid: "no" };
    // a payload of no bytes has no blocks, as if there were no tail: the tail alone would be half a block
    this.#begun ||= payload.length > 0;
    for (let rest = payload; rest.length > 0 || (last && this.#begun);) {
      // what follows a final block is another stream, which nothing refers out of; the tail alone is none
      if (rest.length === 0 && this.#stream.length === 0) break;
      const before = this.#stream.length;
      this.#stream = [...this.#stream, ...rest, ...last ? TAIL : []];
      const inflated = inflate(Uint8Array.from(this.#stream), this.#windowSize, this.#known);
      for (const byte of inflated.output.slice(this.#known)) message.bytes.push(byte);
      if (inflated.far > this.#far && message.invalid === "no") message.invalid = "perhaps";
      if (inflated.status === "invalid") message.invalid = "yes";
      this.#known = inflated.output.length;
      this.#far = inflated.far;
      if (inflated.status !== "final") break;
      rest = rest.slice(inflated.end - before);
      this.#reset();
    }
    if (last && this.#noContextTakeover) this.#reset();
    return message;
  }

  #reset(): void {
    this.#stream = [];
    this.#known = this.#far = 0;
  }
}
