/**
 * Frames as octets and back, written once more for the conformance table: it must not judge the library by the
 * library's own encoder and decoder.
 */
import { concat } from "@std/bytes";

/** A frame as a row writes it. What it leaves out is as it should be: the shortest length, the mask of the role. */
export interface Frame {
  /** The first octet: FIN, RSV1–3 and opcode. */
  readonly first: number;
  /** The payload, before masking. */
  readonly payload: Uint8Array;
  /** The length that the header announces, if not that of the payload. */
  readonly announced?: number | bigint;
  /** How many octets of extended length the header has, if not as few as possible. */
  readonly lengthOctets?: 2 | 8;
  /** Masked by a server, or not masked by a client. */
  readonly wronglyMasked?: true;
  /** The masking key, if it matters. */
  readonly key?: readonly number[];
  /** Only these octets of the payload are sent, and the header only before the first of them. */
  readonly slice?: readonly [from: number, to: number];
}

/** What is sent: a frame, a part of one, or octets that are none. */
export type Part = Frame | Uint8Array;

/** The octets of a frame, or of the part of it that is sent; `key` is used if the frame has none of its own. */
export function encode(frame: Frame, masks: boolean, key: readonly number[]): Uint8Array {
  const { payload, slice: [from, to] = [-1, payload.length] } = frame;
  const masked = masks !== (frame.wronglyMasked ?? false);
  const used = masked ? frame.key ?? key : [0, 0, 0, 0];
  const start = Math.max(from, 0);
  const octets = payload.slice(start, to);
  // RFC 6455 §5.3
  for (let at = 0; at < octets.length; at++) octets[at]! ^= used[(start + at) % 4]!;
  return from < 0 ? concat([header(frame, masked ? used : []), octets]) : octets;
}

function header(frame: Frame, key: readonly number[]): Uint8Array {
  const length = BigInt(frame.announced ?? frame.payload.length);
  const lengthOctets = frame.lengthOctets ?? (length < 126n ? 0 : length < 65536n ? 2 : 8);
  const short = lengthOctets === 0 ? Number(length) : lengthOctets === 2 ? 126 : 127;
  const extended = Array.from(
    { length: lengthOctets },
    (_, at) => Number(length >> BigInt(8 * (lengthOctets - 1 - at)) & 0xffn),
  );
  return Uint8Array.of(frame.first, (key.length > 0 ? 0x80 : 0) | short, ...extended, ...key);
}

/** Takes what the system under test sends, and cuts it into frames; what no frame may be throws. */
export class FrameReader {
  /** The frames so far. */
  readonly frames: Frame[] = [];
  readonly #masked: boolean;
  #octets = new Uint8Array(1024);
  #end = 0;

  /** @param masked Whether the frames must be masked, as a client's, or must not, as a server's. */
  constructor(masked: boolean) {
    this.#masked = masked;
  }

  /** How many octets have come that are not yet a whole frame. */
  get left(): number {
    return this.#end;
  }

  /** Takes the next octets. */
  push(octets: Uint8Array): void {
    if (this.#end + octets.length > this.#octets.length) {
      const grown = new Uint8Array(2 * (this.#end + octets.length));
      grown.set(this.#octets.subarray(0, this.#end));
      this.#octets = grown;
    }
    this.#octets.set(octets, this.#end);
    this.#end += octets.length;
    let at = 0;
    for (let length; (length = this.#take(this.#octets.subarray(at, this.#end))) > 0;) at += length;
    this.#octets.copyWithin(0, at, this.#end);
    this.#end -= at;
  }

  /** Takes the frame that the octets begin with; returns its length, or 0 if it is not there yet. */
  #take(octets: Uint8Array): number {
    if (octets.length < 2) return 0;
    // RFC 6455 §5.1: a client masks every frame, a server none
    if (octets[1]! >= 0x80 !== this.#masked) {
      throw new Error(`A frame came ${this.#masked ? "unmasked from a client" : "masked"}`);
    }
    const short = octets[1]! & 0x7f;
    const lengthOctets = short < 126 ? 0 : short === 126 ? 2 : 8;
    const start = 2 + lengthOctets + (this.#masked ? 4 : 0);
    if (octets.length < start) return 0;
    const extended = octets.subarray(2, 2 + lengthOctets);
    const length = lengthOctets === 0 ? short : extended.reduce((sum, octet) => sum * 256 + octet);
    // RFC 6455 §5.2: the length takes as few octets as possible
    if (lengthOctets > 0 && length < (lengthOctets === 2 ? 126 : 65536)) {
      throw new Error(`A frame came with its length of ${length} in ${lengthOctets} octets`);
    }
    const end = start + length;
    if (octets.length < end) return 0;
    const payload = octets.slice(start, end);
    if (this.#masked) {
      for (let at = 0; at < length; at++) payload[at]! ^= octets[start - 4 + at % 4]!;
    }
    this.frames.push({ first: octets[0]!, payload });
    return end;
  }
}

/** A frame for a message of failure. */
export function describe(frame: Frame | undefined): string {
  if (frame === undefined) return "nothing";
  const { first, payload } = frame;
  const text = new TextDecoder().decode(payload.subarray(0, 125));
  const dots = payload.length > 125 ? "…" : "";
  return `${Uint8Array.of(first).toHex()}, ${payload.length} octets ` +
    `${payload.subarray(0, 125).toHex()}${dots} (${JSON.stringify(text)})`;
}

/** Whether two frames have the same first octet and the same payload. */
export function same(a: Frame | undefined, b: Frame | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.first !== b.first || a.payload.length !== b.payload.length) return false;
  for (let at = 0; at < a.payload.length; at++) {
    if (a.payload[at] !== b.payload[at]) return false;
  }
  return true;
}
