/** The layers by themselves, in ns a message: `deno task bench:micro`. */
import { concat } from "@std/bytes/concat";
import { WsConn, type WsOpening } from "../conn.ts";
import { MessageDeflate } from "../framing/deflate.ts";
import { Rfc6455Protocol } from "../framing/mod.ts";
import { applyMask, nextMaskKey } from "../framing/mask.ts";
import { encodeFrame, Opcode, readFrameHeader } from "../framing/frame.ts";
import { decodeUtf8, Utf8Validator } from "../framing/utf8.ts";
import { connLimits, makeProtocol } from "../options.ts";
import { MESSAGE_QUEUE } from "../queue.ts";
import { jsonBytes } from "./load/json.ts";

const SIZES = [16, 125, 1024, 65536];
const events = { message() {}, pong() {} };
const limits = { maxMessageSize: 1 << 24 };
const text = (size: number) => "x".repeat(size);
const bytesOf = (text: string) => new TextEncoder().encode(text);
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
  Deno.bench(`receive ${size} B of text`, () => receive(server, frame));
}
for (const size of [16, 125, 700, 1024]) {
  const server = new Rfc6455Protocol("server", events, limits);
  const frame = encodeFrame(Opcode.Binary, new Uint8Array(size), { maskKey: 0x12345678 });
  const frames = concat(Array<Uint8Array>(16).fill(frame));
  Deno.bench(`receive 16 × ${size} B of binary at once`, () => receive(server, frames));
}

/** As many reads as it takes. */
function receive(protocol: Rfc6455Protocol, bytes: Uint8Array): void {
  while (bytes.length > 0) {
    const space = protocol.space();
    const part = bytes.subarray(0, space.length);
    space.set(part);
    protocol.receive(part.length);
    bytes = bytes.subarray(part.length);
  }
}
const frame = encodeFrame(Opcode.Text, new Uint8Array(1000), { maskKey: 1 });
Deno.bench("read a header", () => void readFrameHeader(frame, 0, frame.length, header));
Deno.bench("a masking key", () => void nextMaskKey());

for (const size of [1024, 65536]) {
  const { deflater, inflater } = new MessageDeflate();
  // different ones, and more than the 32 KiB that DEFLATE looks back
  const documents = Array.from({ length: 65536 / size + 1 }, (_, i) => jsonBytes(i, size));
  let turn = 0;
  // compressed as a first message it refers to nothing before it, and can be inflated again and again
  const compressed = await new MessageDeflate().deflater.push(documents[0]!, true);
  Deno.bench(`deflate ${size} B of JSON`, async () => {
    await deflater.push(documents[turn++ % documents.length]!, true);
  });
  Deno.bench(`inflate ${size} B of JSON`, async () => {
    await new Promise<void>((done) => {
      inflater.events = { output: () => true, done: () => done() };
      inflater.push(compressed, true);
    });
  });
}

/** So many messages at once: what arrives with one read. */
const BATCH = 64;
const message = text(16);

/** A connection that costs nothing: reading gives the same frames over and over, and writing takes all. */
function endless(frame: Uint8Array): Deno.Conn {
  const frames = concat(Array<Uint8Array>(BATCH).fill(frame));
  let at = 0;
  return {
    read: (buffer: Uint8Array) => {
      const part = frames.subarray(at, at + buffer.length);
      buffer.set(part);
      at = (at + part.length) % frames.length;
      return Promise.resolve(part.length);
    },
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
  } as Deno.Conn;
}

const connection = connLimits({ timeout: 0, pingInterval: 0 });
const opening: WsOpening = {
  line: "",
  headers: new Headers(),
  url: new URL("ws://localhost/"),
  protocol: "",
  extensions: "",
  rest: new Uint8Array(0),
  framing: (events) => makeProtocol("rfc6455", "server", events, connection),
};
const request = encodeFrame(Opcode.Text, bytesOf(message), { maskKey: 1 });
const echo = new WsConn(endless(request), opening, connection);
Deno.bench(`recv and send ${BATCH} messages, without a socket`, async () => {
  for (let i = 0; i < BATCH; i++) await echo.send((await echo.recv())!);
});
const received = new WsConn(endless(request), opening, connection);
Deno.bench(`recv ${BATCH} messages, without a socket`, async () => {
  for (let i = 0; i < BATCH; i++) await received.recv();
});
const iterated = new WsConn(endless(request), opening, connection);
const iterator = iterated[Symbol.asyncIterator]();
Deno.bench(`iterate over ${BATCH} messages, without a socket`, async () => {
  for (let i = 0; i < BATCH; i++) await iterator.next();
});

const reader = new ReadableStream<string>({
  pull(controller) {
    for (let i = 0; i < BATCH; i++) controller.enqueue(message);
  },
}, MESSAGE_QUEUE).getReader();
Deno.bench(`${BATCH} messages through a ReadableStream`, async () => {
  for (let i = 0; i < BATCH; i++) await reader.read();
});
const writer = new WritableStream<string>({ write() {} }, MESSAGE_QUEUE).getWriter();
Deno.bench(`${BATCH} messages through a WritableStream`, async () => {
  for (let i = 0; i < BATCH; i++) await writer.write(message);
});
