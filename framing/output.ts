import { maskInto } from "./mask.ts";
import { LARGE_BUFFER, largeBuffers, poolFor } from "./pool.ts";

/** From this length on, bytes that nobody changes are written by themselves rather than copied. */
const BY_REFERENCE_FROM = 32 * 1024;

const NONE = new Uint8Array(0);

/** Bytes that wait to be written: a pooled buffer that frames are gathered in, or a large payload by itself. */
interface Chunk {
  bytes: Uint8Array;
  start: number;
  end: number;
  /** Whether `bytes` goes back to the pool. */
  pooled: boolean;
  /** A large payload that is masked on its way out, so that its owner's bytes stay as they are. */
  maskKey: number | undefined;
}

/**
 * The frames that wait to be written, in order. Only whole frames enter, so a control frame can be put between any
 * two of them, and nothing else needs a lock.
 *
 * @example Write what a protocol has to say
 * ```ts
 * import { Rfc6455Protocol } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const events = { message: () => {}, pong: () => {} };
 * const protocol = new Rfc6455Protocol("server", events, { maxMessageSize: 1024 });
 * protocol.send("Hi");
 * protocol.send("there");
 *
 * const written: number[] = [];
 * for (let piece; (piece = protocol.output.next()) !== undefined;) {
 *   written.push(...piece); // or write it to a socket, which may take a part of it only
 *   protocol.output.written(piece.length);
 * }
 * assertEquals(written.length, 2 + 2 + 2 + 5);
 * ```
 */
export class Output {
  /** How many bytes wait, those that are being written included. */
  size = 0;
  /** How many payloads wait that belong to the sender, who must not touch them as long as this is not 0. */
  borrowed = 0;
  /** The buffer that {@linkcode reserve} found room in. */
  tail: Uint8Array = NONE;
  readonly #chunks: Chunk[] = [];
  /** Whether the first chunk is being written, and so must stay where it is. */
  #writing = false;

  /** Finds room for `length` more bytes, at most {@linkcode LARGE_BUFFER}, in `tail`; returns where it begins. */
  reserve(length: number): number {
    const last = this.#chunks.at(-1);
    if (last === undefined || !last.pooled || last.end + length > last.bytes.length) {
      this.#extend(last, length);
    }
    const { bytes, end } = this.#chunks.at(-1)!;
    this.tail = bytes;
    return end;
  }

  /** Counts in the `length` bytes that were written into `tail` where {@linkcode reserve} said. */
  commit(length: number): void {
    this.#chunks.at(-1)!.end += length;
    this.size += length;
  }

  /** Adds bytes that need no masking: copied if they are few, otherwise as {@linkcode push} does. */
  append(bytes: Uint8Array): void {
    if (bytes.length >= BY_REFERENCE_FROM) return this.push(bytes, undefined);
    const at = this.reserve(bytes.length);
    this.tail.set(bytes, at);
    this.commit(bytes.length);
  }

  /** Adds a payload without copying it: it must stay as it is until it is written. */
  push(payload: Uint8Array, maskKey: number | undefined): void {
    this.#chunks.push({ bytes: payload, start: 0, end: payload.length, pooled: false, maskKey });
    this.size += payload.length;
    this.borrowed++;
  }

  /** What is to be written next, or `undefined` if nothing waits. Report to {@linkcode written} how much of it was. */
  next(): Uint8Array | undefined {
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    this.#writing = true;
    const { bytes, start, end } = first.maskKey === undefined
      ? first
      : this.#maskPart(first, first.maskKey);
    return bytes.subarray(start, end);
  }

  /** Takes away the first `length` bytes, which have been written. */
  written(length: number): void {
    this.#writing = false;
    this.size -= length;
    const first = this.#chunks[0]!;
    first.start += length;
    if (first.start === first.end) this.#giveBack(this.#takeFirst());
    if (this.#chunks.length === 0) this.tail = NONE; // nothing of the pool is held through a pause
  }

  /** Drops what waits; no write may be under way. */
  release(): void {
    this.#writing = false;
    this.size = 0;
    this.tail = NONE;
    this.#chunks.splice(0).forEach((chunk) => this.#giveBack(chunk));
  }

  #extend(last: Chunk | undefined, length: number): void {
    if (!last?.pooled) return void this.#chunks.push(emptyChunk(length));
    const isWritten = this.#writing && this.#chunks.length === 1;
    const waiting = last.end - last.start;
    const isMovable = !isWritten && last.bytes.length < LARGE_BUFFER &&
      waiting + length <= LARGE_BUFFER;
    const chunk = emptyChunk(
      Math.max(2 * last.bytes.length, isMovable ? waiting + length : length),
    );
    if (isMovable) {
      // a burst that outgrows its buffer goes on in a larger one, to leave in a single write
      chunk.bytes.set(last.bytes.subarray(last.start, last.end));
      chunk.end = waiting;
      this.#giveBack(this.#chunks.pop()!);
    }
    this.#chunks.push(chunk);
  }

  /** Masks the next part of a payload into a pooled buffer and puts it in front. */
  #maskPart(payload: Chunk, maskKey: number): Chunk {
    const bytes = largeBuffers.take();
    const end = Math.min(payload.end - payload.start, bytes.length);
    const piece = payload.bytes.subarray(payload.start, payload.start + end);
    maskInto(piece, bytes, 0, maskKey); // all but the last are multiples of four bytes
    payload.start += end;
    if (payload.start === payload.end) this.#giveBack(this.#takeFirst());
    const part: Chunk = { bytes, start: 0, end, pooled: true, maskKey: undefined };
    this.#chunks.unshift(part);
    return part;
  }

  /** An array that `shift` has emptied gets new memory with the next `push`; `pop` leaves it some. */
  #takeFirst(): Chunk {
    return (this.#chunks.length === 1 ? this.#chunks.pop() : this.#chunks.shift())!;
  }

  #giveBack({ bytes, pooled }: Chunk): void {
    if (pooled) poolFor(bytes.length).give(bytes as Uint8Array<ArrayBuffer>);
    else this.borrowed--;
  }
}

/** A chunk that this many bytes fit in. */
function emptyChunk(length: number): Chunk {
  return { bytes: poolFor(length).take(), start: 0, end: 0, pooled: true, maskKey: undefined };
}
