/** mask.wat, assembled and in Base64. */
export const PROGRAM = "AGFzbQEAAAABBwFgAn9/AX8DAgEABQMBAAEHEQIGbWVtb3J5AgAEbWFzawAACjkBNwIBfwJ7" +
  "A0AgAiAC/QAEACAB/RH9USIE/QsEACADIAT9UCEDIAJBEGohAiACIABJDQALIAP9ZAs=";

/** What the program masks at once: its memory. */
const PAGE = 64 * 1024;

/** What masks: mask.wat, at work. */
export interface MaskProgram {
  memory: Uint8Array;
  /** The part of `memory` that was used last: of many messages of one length, each spares a view. */
  lastPart: Uint8Array;
  mask(length: number, key: number): number;
}

/** `false` where there is no WebAssembly, as with `--v8-flags=--jitless`, or no memory for it. */
let program: MaskProgram | false | undefined;

function instantiate(): MaskProgram | false {
  try {
    const code = Uint8Array.from(atob(PROGRAM), (char) => char.charCodeAt(0));
    const { memory, mask } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
    const bytes = new Uint8Array((memory as WebAssembly.Memory).buffer);
    return { memory: bytes, lastPart: bytes, mask: mask as MaskProgram["mask"] };
  } catch {
    return false;
  }
}

/** The program; made by the first long payload, for it takes half a millisecond. */
export function maskProgram(): MaskProgram | false {
  return program ??= instantiate();
}

/**
 * Masks `bytes[start..end)` but for the last `(end - start) % 16` of them, 128 bits at a time, where JavaScript does 32. About
 * half of the time is the way into the program's memory and back; yet from 1 KiB on it is faster.
 *
 * @returns 0 if the result is ASCII, and otherwise 0x80.
 */
export function maskBlocks(
  program: MaskProgram,
  bytes: Uint8Array,
  start: number,
  end: number,
  key: number,
): number {
  const { memory, mask } = program;
  let seen = 0;
  for (let at = start; end - at >= 16;) {
    const length = Math.min(end - at, PAGE) & ~15;
    const part = bytes.subarray(at, at + length);
    memory.set(part);
    if (mask(length, key) !== 0) seen = 0x80;
    if (program.lastPart.length !== length) program.lastPart = memory.subarray(0, length);
    part.set(program.lastPart);
    at += length;
  }
  return seen;
}
