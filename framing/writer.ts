import {
  encodeFrame,
  FIN,
  frameHeaderSize,
  MAX_HEADER,
  Opcode,
  writeFrameHeader,
} from "./frame.ts";
import { applyMask, maskInto, nextMaskKey } from "./mask.ts";
import type { Output } from "./output.ts";
import { LARGE_BUFFER } from "./pool.ts";
import { encodeUtf8, writeUtf8 } from "./utf8.ts";

/** Writes the frames of one side into its output, masked if it is the client's (RFC 6455 §5.3). */
export class FrameWriter {
  protected readonly output: Output;
  /** Whether this is a client, whose frames are masked. */
  protected readonly masks: boolean;

  constructor(output: Output, masks: boolean) {
    this.output = output;
    this.masks = masks;
  }

  /** Appends a whole text message; returns its length in bytes. */
  text(text: string): number {
    if (text.length * 3 + MAX_HEADER > LARGE_BUFFER) {
      return this.data(FIN | Opcode.Text, encodeUtf8(text));
    }
    const output = this.output;
    const maskKey = this.masks ? nextMaskKey() : undefined;
    const start = output.reserve(text.length * 3 + MAX_HEADER);
    const { tail } = output;
    // Written behind a header for as many bytes as characters, and moved if there turn out to be many more.
    const guess = start + frameHeaderSize(text.length, this.masks);
    const length = writeUtf8(text, tail, guess);
    const size = frameHeaderSize(length, this.masks);
    if (start + size !== guess) tail.copyWithin(start + size, guess, guess + length);
    const at = writeFrameHeader(tail, start, FIN | Opcode.Text, length, maskKey);
    if (maskKey !== undefined) applyMask(tail, at, at + length, maskKey);
    output.commit(at + length - start);
    return length;
  }

  /** Appends a data frame whose first byte is `first`: FIN, RSV1 and opcode. Returns the payload's length. */
  data(first: number, payload: Uint8Array): number {
    const output = this.output;
    const { length } = payload;
    const maskKey = this.masks ? nextMaskKey() : undefined;
    // Copying 64 KiB costs a tenth of the second write that the payload would take by itself.
    const copied = MAX_HEADER + length <= LARGE_BUFFER ? length : 0;
    const start = output.reserve(MAX_HEADER + copied);
    const { tail } = output;
    const at = writeFrameHeader(tail, start, first, length, maskKey);
    if (copied > 0) {
      if (maskKey === undefined) tail.set(payload, at);
      else maskInto(payload, tail, at, maskKey);
    }
    output.commit(at + copied - start);
    if (copied < length) output.push(payload, maskKey);
    return length;
  }

  /** Appends a control frame. */
  control(opcode: number, payload: Uint8Array): void {
    const maskKey = this.masks ? nextMaskKey() : undefined;
    this.output.append(encodeFrame(opcode, payload, { maskKey }));
  }
}
