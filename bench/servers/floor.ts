/**
 * The least that a server can do whose connections are pairs of streams: how fast this module could be at most. It believes the
 * peer every word: frames are masked, whole messages, none controls anything, nothing has a limit, fails, or closes.
 * What is left: each message is made as users get it, passes through a ReadableStream and a WritableStream, both bounded
 * in bytes, and is framed; what was read together leaves together, a long run in parts.
 *
 * Arguments: the mode of the job, its depth, and the length of a message.
 */
import type { Buffer } from "node:buffer";
import { writeFrameHeader } from "../../framing/frame.ts";
import { unmaskedFrames } from "../../framing/input.ts";
import { applyMaskWithin } from "../../framing/mask.ts";
import { keepMemory } from "../../framing/pool.ts";
import { asBuffer, writeUtf8 } from "../../framing/utf8.ts";
import { writeAll } from "../../transport.ts";
import { upgrade } from "./upgrade.ts";

const mode = Deno.args[0];
const [depth, size] = Deno.args.slice(1).map(Number) as [number, number];
/** Such messages are read into a buffer of their own, which becomes the message, and the answer too: no byte is copied. */
const isLarge = size >= 1 << 15;
const LARGE_HEADER = size < 1 << 16 ? 8 : 14;
/** As much as is in flight. */
const SMALL = mode === "sink" ? 1 << 16 : Math.max(1024, Math.min(depth * (size + 8), 1 << 16));
const BUFFER = isLarge ? LARGE_HEADER + size : SMALL;
const BYTES = { highWaterMark: 1 << 16, size: (message: Message) => message.length };
/** So many messages of a long run leave before the rest of it is done, and then three times as many. */
const FIRST_PART = 32;

type Message = string | Uint8Array<ArrayBuffer>;

/** The way in: what has been read, as messages. */
class Source implements UnderlyingDefaultSource<Message> {
  readonly #conn: Deno.Conn;
  readonly #sink: Sink;
  #bytes!: Uint8Array<ArrayBuffer>;
  #words!: Uint32Array;
  #buffer!: Buffer;
  #start = 0;
  #end = 0;
  /** What was read last from the first binary message on, for all of them: one copy, and where it begins. */
  #copy: Uint8Array<ArrayBuffer> | undefined;
  #copyStart = 0;

  constructor(conn: Deno.Conn, sink: Sink) {
    this.#conn = conn;
    this.#sink = sink;
    this.#renew();
  }

  /** Reads into another buffer from now on. */
  #renew(): void {
    this.#bytes = new Uint8Array(BUFFER);
    this.#words = new Uint32Array(this.#bytes.buffer, 0, BUFFER >> 2);
    this.#buffer = asBuffer(this.#bytes);
    this.#start = this.#end = 0;
  }

  async pull(controller: ReadableStreamDefaultController<Message>): Promise<void> {
    this.#sink.flush();
    for (let messages = 0; messages === 0;) {
      if (this.#start > 0) this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      const space = this.#end === 0 ? this.#bytes : this.#bytes.subarray(this.#end);
      const length = await this.#conn.read(space);
      if (length === null) return controller.close();
      this.#end += length;
      this.#copy = undefined;
      if (this.#sink.writing !== undefined) await this.#sink.written();
      for (let message; (message = this.#next()) !== undefined; messages++) {
        controller.enqueue(message);
      }
    }
  }

  #next(): Message | undefined {
    const bytes = this.#bytes;
    let at = this.#start + 2;
    if (at > this.#end) return undefined;
    let length = bytes[at - 1]! & 0x7f;
    if (length === 126) {
      length = bytes[at]! << 8 | bytes[at + 1]!;
      at += 2;
    } else if (length === 127) {
      length = this.#buffer.readUInt32BE(at + 4);
      at += 8;
    }
    at += 4;
    const end = at + length;
    if (end > this.#end) return undefined;
    const key = bytes[at - 4]! | bytes[at - 3]! << 8 | bytes[at - 2]! << 16 | bytes[at - 1]! << 24;
    const isText = bytes[this.#start] === 0x81;
    this.#start = end;
    if (isText || isLarge) {
      applyMaskWithin(bytes, this.#words, at, end, key);
      if (isText) return this.#buffer.toString("latin1", at, end);
      this.#renew(); // this one is given away
      return bytes;
    }
    if (this.#copy === undefined) {
      this.#copy = unmaskedFrames(bytes.subarray(at, this.#end), length, key);
      this.#copyStart = at;
    }
    return this.#copy.subarray(at - this.#copyStart, end - this.#copyStart);
  }
}

/** The way out: frames, gathered. */
class Sink implements UnderlyingSink<Message> {
  /** The write that is under way. */
  writing: Promise<unknown> | undefined;
  readonly #conn: Deno.Conn;
  #frames: Uint8Array | undefined; // an idle connection needs none
  #framed = 0;
  #sent = 0;
  #messages = 0;
  #leavesAt = FIRST_PART;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  write(message: Message): void {
    if (isLarge) return this.#writeLarge(message as Uint8Array<ArrayBuffer>);
    const frames = this.#frames ??= new Uint8Array(BUFFER);
    const { length } = message;
    if (typeof message === "string") {
      const at = writeFrameHeader(frames, this.#framed, 0x81, length, undefined);
      this.#framed = at + writeUtf8(message, frames, at);
    } else {
      const at = writeFrameHeader(frames, this.#framed, 0x82, length, undefined);
      frames.set(message, at);
      this.#framed = at + length;
    }
    if (++this.#messages < this.#leavesAt) return;
    this.#leavesAt *= 3;
    this.flush();
  }

  #writeLarge(message: Uint8Array<ArrayBuffer>): void {
    const start = 4; // in the place of the key, the header begins
    writeFrameHeader(message, start, 0x82, size, undefined);
    this.#write(message.subarray(start));
  }

  /** Writes what has gathered. */
  flush(): void {
    if (this.#framed === this.#sent) return;
    const bytes = this.#frames!.subarray(this.#sent, this.#framed);
    this.#sent = this.#framed;
    this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    const write = async () => {
      const length = await this.#conn.write(bytes);
      if (length < bytes.length) await writeAll(this.#conn, bytes.subarray(length));
    };
    this.writing = this.writing === undefined ? write() : this.writing.then(write);
  }

  /** Waits until all is written. */
  async written(): Promise<void> {
    await this.writing;
    this.writing = undefined;
    this.#framed = this.#sent = this.#messages = 0;
    this.#leavesAt = FIRST_PART;
  }
}

async function serve(conn: Deno.Conn): Promise<void> {
  await upgrade(conn);
  const sink = new Sink(conn);
  const reader = new ReadableStream(new Source(conn, sink), { ...BYTES, highWaterMark: 0 })
    .getReader();
  let stream: WritableStreamDefaultWriter<Message> | undefined;
  const writer = () => stream ??= new WritableStream(sink, BYTES).getWriter();
  let count = 0;
  for (let result; !(result = await reader.read()).done;) {
    if (mode !== "sink") await writer().write(result.value);
    else if (result.value === "END") {
      await writer().write(String(count));
      count = 0;
    } else count++;
  }
  conn.close();
}

keepMemory();
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(listener.addr.port);
for await (const conn of listener) serve(conn).catch(() => {});
