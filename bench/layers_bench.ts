/** The layers by themselves, in ns a message: `deno task bench:micro`. */
import { Rfc6455Protocol } from "../framing/mod.ts";
import { applyMask, nextMaskKey } from "../framing/mask.ts";
import { encodeFrame, Opcode, readFrameHeader } from "../framing/frame.ts";
import { decodeUtf8, Utf8Validator } from "../framing/utf8.ts";

const SIZES = [16, 125, 1024, 65536];
const events = { message() {}, pong() {} };
const limits = { maxMessageSize: 1 << 24 };
const text = (size: number) => "x".repeat(size);
const header = { fin: false, rsv1: false, opcode: 0, length: 0, masked: false, maskKey: 0 };

for (const size of SIZES) {
  const bytes = new Uint8Array(size).fill(0x78);
  const message = text(size);
  Deno.bench(`mask ${size} B`, { group: `mask ${size}` }, () => void applyMask(bytes, 0, size, 0));
  Deno.bench(`mask ${size} B, byte by byte`, { group: `mask ${size}` }, () => {
    for (let i = 0; i < size; i++) bytes[i]! ^= 0x12345678 >>> ((i & 3) << 3) & 0;
  });
  Deno.bench(
    `decode ${size} B of ASCII`,
    { group: `decode ${size}` },
    () => void decodeUtf8(bytes),
  );
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  Deno.bench(
    `decode ${size} B of ASCII with TextDecoder`,
    { group: `decode ${size}` },
    () => void decoder.decode(bytes),
  );
  Deno.bench(`validate ${size} B`, () => void new Utf8Validator().push(bytes));
  const server = new Rfc6455Protocol("server", events, limits);
  Deno.bench(`send ${size} B of text`, () => {
    server.send(message);
    for (let piece; (piece = server.output.next());) server.output.written(piece.length);
  });
  const frame = encodeFrame(Opcode.Text, bytes, { maskKey: 0x12345678 });
  Deno.bench(`receive ${size} B of text`, () => {
    for (let rest = frame; rest.length > 0;) {
      const space = server.space();
      const part = rest.subarray(0, space.length);
      space.set(part);
      server.receive(part.length);
      rest = rest.subarray(part.length);
    }
  });
}
const frame = encodeFrame(Opcode.Text, new Uint8Array(1000), { maskKey: 1 });
Deno.bench("read a header", () => void readFrameHeader(frame, 0, frame.length, header));
Deno.bench("a masking key", () => void nextMaskKey());
