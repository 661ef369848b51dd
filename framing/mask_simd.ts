/** mask.wat, assembled and in Base64. */
export const PROGRAM =
  "AGFzbQEAAAABBwFgAn9/AX8DAgEABQMBAAIHEQIGbWVtb3J5AgAEbWFzawAACoEBAX8DAn8CewJ/IABBcHEhAwJA" +
  "A0AgAiADTw0BIAIgAv0ABAAgAf0R/VEiBP0LBAAgBSAE/VAhBSACQRBqIQIMAAsLAkADQCACIABPDQEgAiACLQAA" +
  "IAFzIgY6AAAgByAGciEHIAFBCHghASACQQFqIQIMAAsLIAX9ZCAHQYABcXIL";

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
  readonly #mask: (length: number, key: number) => number;
  /** The part of the memory that was used last: of many messages of one length, each spares a view. */
  #result: Uint8Array;

  /** Throws where there is no WebAssembly, as with `--v8-flags=--jitless`, or no memory for it. */
  constructor() {
    const code = Uint8Array.from(atob(PROGRAM), (char) => char.charCodeAt(0));
    const { memory, mask } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
    this.#result = this.#memory = new Uint8Array((memory as WebAssembly.Memory).buffer);
    this.#mask = mask as (length: number, key: number) => number;
  }

  /** `bytes`, masked, at most {@linkcode PART} of them: in the program's memory, until the next call. */
  masked(bytes: Uint8Array, key: number): Uint8Array {
    const { length } = bytes;
    this.#memory.set(bytes);
    this.seen = this.#mask(length, key) === 0 ? 0 : 0x80;
    if (this.#result.length !== length) this.#result = this.#memory.subarray(0, length);
    return this.#result;
  }
}

let program: MaskProgram | false | undefined;

/** The program, or `false` where there can be none; made by the first long payload, for it takes half a millisecond. */
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
