import type { Buffer } from "node:buffer";
import { readFrameHeader } from "./frame.ts";
import { applyMask, applyMaskWithin, maskedCopy, PROGRAM_FROM } from "./mask.ts";
import { maskProgram } from "./mask_simd.ts";
import { keepMemory, LARGE_BUFFER, largeBuffers, mediumBuffers, poolFor } from "./pool.ts";
import { asBuffer } from "./utf8.ts";

/** What an idle connection pins. */
const IDLE_BUFFER = 1024;
/** Up to so many large buffers in use, a connection keeps its own through a pause. */
const PLENTY = 128;
/** The longest block that small binary messages share, and so the most that one of them can keep from being freed. */
const BLOCK = 32 * 1024;

const NONE = new Uint8Array(0);

/**
 * The bytes of a connection that have arrived and are not decoded yet: those between `start` and `end`. Reads go
 * into a small buffer until one fills it, then into a pooled large one until twice in a row so little arrives that the
 * small one would have done; where large buffers are scarce, by way of a medium one, until one does not fill it. (A connection
 * that waits cannot give its buffer back, so what is kept through a pause is what thousands of idle ones may keep for hours.)
 */
export class Input {
  /** The buffer that is read into; may change with each {@linkcode space}. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Where the bytes that are not decoded yet begin. */
  start = 0;
  /** Where they end. */
  end = 0;
  /** `bytes` in other views; made when they are needed, for an idle connection needs none. */
  #decoder: Buffer | undefined;
  #words: Uint32Array | undefined;
  /** A copy of what was read last, unmasked, for the binary messages in it; and where in `bytes` it begins. */
  #block: Uint8Array<ArrayBuffer> = NONE;
  #blockStart = 0;
  readonly #idle: Uint8Array<ArrayBuffer> = new Uint8Array(IDLE_BUFFER);
  #lastRead = 0;
  #readBefore = 0;
  /** Whether the last read went past all this, into a message: that says nothing of what follows. */
  passedBy = false;

  constructor() {
    this.bytes = this.#idle;
  }

  /** Unmasks `bytes[start..end)`; below 0x80 in every octet of the result if and only if that is ASCII. */
  unmask(start: number, end: number, maskKey: number): number {
    this.#words ??= new Uint32Array(this.bytes.buffer);
    return applyMaskWithin(this.bytes, this.#words, start, end, maskKey);
  }

  /**
   * A copy of `bytes[start..end)`, the payload of a frame, unmasked if there is a key. Many small ones of one read are views of
   * one copy: an allocation costs as much as copying 4 KiB. A long one, or the last, has a buffer of its own.
   */
  copy(start: number, end: number, maskKey: number | undefined): Uint8Array<ArrayBuffer> {
    if (end > this.#blockStart + this.#block.length) {
      const rest = Math.min(this.end - start, BLOCK);
      if (rest < 2 * (end - start)) {
        const bytes = this.bytes.subarray(start, end);
        return maskKey === undefined ? copyOf(bytes) : maskedCopy(bytes, maskKey);
      }
      const block = this.bytes.subarray(start, start + rest);
      this.#block = maskKey === undefined
        ? copyOf(block)
        : unmaskedFrames(block, end - start, maskKey);
      this.#blockStart = start;
    }
    return new Uint8Array(this.#block.buffer, start - this.#blockStart, end - start);
  }

  /** The text of `bytes[start..end)`, which are known to be ASCII. */
  ascii(start: number, end: number): string {
    this.#decoder ??= asBuffer(this.bytes);
    return this.#decoder.toString("latin1", start, end);
  }

  /** Where the next bytes are to be read into; never empty as long as the decoder leaves less than 1 KiB. */
  space(): Uint8Array {
    this.#block = NONE;
    this.#blockStart = 0;
    if (this.passedBy && largeBuffers.lent > PLENTY) this.clear();
    this.passedBy = false;
    const { length } = this.bytes;
    if (this.end === length && length < LARGE_BUFFER) this.#moveTo(this.#larger());
    else if (length > IDLE_BUFFER && this.end - this.start < IDLE_BUFFER && this.#calm()) {
      this.#moveTo(this.#idle);
    }
    if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    return this.end === 0 ? this.bytes : this.bytes.subarray(this.end);
  }

  /** Counts `length` more bytes that were read into {@linkcode space}. */
  received(length: number): void {
    this.end += length;
    this.#readBefore = this.#lastRead;
    this.#lastRead = length;
  }

  /** Forgets what is not decoded, and how much arrived last. */
  clear(): void {
    this.start =
      this.end =
      this.#lastRead =
      this.#readBefore =
        0;
  }

  /** Gives the pooled buffer back; no read may be under way. */
  release(): void {
    this.clear();
    if (this.bytes !== this.#idle) this.#moveTo(this.#idle);
  }

  #calm(): boolean {
    return largeBuffers.lent > PLENTY
      ? this.#lastRead < this.bytes.length
      : this.#lastRead < IDLE_BUFFER && this.#readBefore < IDLE_BUFFER;
  }

  #larger(): Uint8Array<ArrayBuffer> {
    keepMemory();
    const isScarce = largeBuffers.lent > PLENTY && this.bytes === this.#idle;
    return (isScarce ? mediumBuffers : largeBuffers).take();
  }

  #moveTo(buffer: Uint8Array<ArrayBuffer>): void {
    const { bytes } = this;
    buffer.set(bytes.subarray(this.start, this.end));
    if (bytes !== this.#idle) poolFor(bytes.length).give(bytes);
    this.bytes = buffer;
    this.#decoder = this.#words = undefined;
    this.end -= this.start;
    this.start = 0;
  }
}

/**
 * A copy of `bytes`, in which `length` bytes of payload come first, and then more frames: the payloads of all that are whole
 * unmasked. In one go, for the way into the {@linkcode maskProgram} and back costs more than what it does there.
 */
export function unmaskedFrames(
  bytes: Uint8Array,
  length: number,
  maskKey: number,
): Uint8Array<ArrayBuffer> {
  const program = bytes.length >= PROGRAM_FROM && maskProgram();
  const copy = program ? program.load(bytes) : copyOf(bytes);
  const header = { fin: true, rsv1: false, opcode: 0, length, masked: true, maskKey };
  let start = 0, end = length, size;
  try {
    do {
      if (program) program.mask(start, end, header.maskKey);
      else applyMask(copy, start, end, header.maskKey);
      size = readFrameHeader(bytes, end, bytes.length, header);
      start = end + size;
      end = start + header.length;
    } while (size > 0 && end <= bytes.length);
  } catch {
    // the decoder will come to this frame too
  }
  return program ? copyOf(copy) : copy as Uint8Array<ArrayBuffer>;
}

/** As `bytes.slice()`, which would clear the memory before it copies. */
function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
