/** What a busy connection reads into and writes from: a frame of 64 KiB fits in with its header, and leaves in one write. */
export const LARGE_BUFFER = 64 * 1024 + 64;
/** What the first frames of a burst are gathered in, and then the next. */
export const SMALL_BUFFER = 1024, MEDIUM_BUFFER = 8 * 1024;

/** Buffers of one size that connections lend each other, so that an idle one holds none. */
class BufferPool {
  readonly #size: number;
  readonly #kept: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  /** How many are in use. */
  lent = 0;

  constructor(size: number, kept: number) {
    this.#size = size;
    this.#kept = kept;
  }

  take(): Uint8Array<ArrayBuffer> {
    this.lent++;
    return this.#free.pop() ?? new Uint8Array(this.#size);
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    this.lent--;
    if (this.#free.length < this.#kept) this.#free.push(buffer);
  }
}

/** Keeps at most 16 MiB: 64 connections that are busy both ways take 128 at once. */
export const largeBuffers: BufferPool = new BufferPool(LARGE_BUFFER, 256);
/** Keeps at most 8 MiB. */
export const mediumBuffers: BufferPool = new BufferPool(MEDIUM_BUFFER, 1024);
/** Keeps at most 8 MiB: thousands of connections write at once when a message goes to all of them. */
export const smallBuffers: BufferPool = new BufferPool(SMALL_BUFFER, 8192);

/** The pool of the smallest buffers that `length` bytes fit in; of the large ones, if none do. */
export function poolFor(length: number): BufferPool {
  if (length <= SMALL_BUFFER) return smallBuffers;
  return length <= MEDIUM_BUFFER ? mediumBuffers : largeBuffers;
}

let keepsMemory = false;

/**
 * Makes glibc keep what dead messages leave for the next ones. By itself it gives the end of its heap back to the system
 * as soon as 128 KiB of it are free, and has to get it again page by page. Once a block of 32 MiB was freed (of addresses
 * only: nobody writes to it), it keeps 64 MiB there, and makes blocks up to that size in the heap, not each by itself.
 */
export function keepMemory(): void {
  if (keepsMemory) return;
  keepsMemory = true;
  try {
    new ArrayBuffer(32 * 1024 * 1024 - 64 * 1024).transfer(0);
  } catch {
    // no addresses are left
  }
}
