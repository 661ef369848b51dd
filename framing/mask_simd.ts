/** mask.wat, assembled and in Base64. */
export const PROGRAM =
  "AGFzbQEAAAABCAFgA39/fwF/AwIBAAUDAQACBxECBm1lbW9yeQIABG1hc2sAAAqIAQGFAQMBfwJ7An8gACABIABrQXBx" +
  "aiEDAkADQCAAIANPDQEgACAA/QAEACAC/RH9USIE/QsEACAFIAT9UCEFIABBEGohAAwACwsCQANAIAAgAU8NASAAIAAt" +
  "AAAgAnMiBjoAACAHIAZyIQcgAkEIeCECIABBAWohAAwACwsgBf1kIAdBgAFxcgs=";

/** What the program masks at once: its memory. */
export const PART = 128 * 1024;

/**
 * mask.wat, at work: masks 128 bits at a time, where JavaScript does 32. About half of the time is the way into the program's
 * memory and back; yet from 1 KiB on it is faster.
 */
export class MaskProgram {
  /** Of what was masked last: 0 if the result is ASCII, and otherwise 0x80. */
  seen = 0;
  readonly #memory: Uint8Array;
  readonly #mask: (start: number, end: number, key: number) => number;
  /** The part of the memory that was used last: of many messages of one length, each spares a view. */
  #loaded: Uint8Array;

  /** Throws where there is no WebAssembly, as with `--v8-flags=--jitless`, or no memory for it. */
  constructor() {
    const code = Uint8Array.from(atob(PROGRAM), (char) => char.charCodeAt(0));
    const { memory, mask } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
    this.#loaded = this.#memory = new Uint8Array((memory as WebAssembly.Memory).buffer);
    this.#mask = mask as (start: number, end: number, key: number) => number;
  }

  /** `bytes`, at most {@linkcode PART} of them, in the program's memory until the next call. */
  load(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    this.#memory.set(bytes);
    if (this.#loaded.length !== length) this.#loaded = this.#memory.subarray(0, length);
    return this.#loaded;
  }

  /** Masks what is loaded, from `start` to `end`. */
  mask(start: number, end: number, key: number): void {
    this.seen = this.#mask(start, end, key) === 0 ? 0 : 0x80;
  }

  /** {@linkcode load}, and {@linkcode mask} all of it. */
  masked(bytes: Uint8Array, key: number): Uint8Array {
    const loaded = this.load(bytes);
    this.mask(0, bytes.length, key);
    return loaded;
  }
}

let program: MaskProgram | false | undefined;

/** The program, or `false` where there can be none; made when it is first needed, for that takes half a millisecond. */
export function maskProgram(): MaskProgram | false {
  return program ??= instantiate();
}

function instantiate(): MaskProgram | false {
  try {
    return new MaskProgram();
  } catch {
    return false;
  }
}
