/**
 * Compression of messages, permessage-deflate ({@link https://www.rfc-editor.org/rfc/rfc7692#section-7 | RFC 7692 §7}),
 * over `node:zlib`. A module of its own, so that connections without compression load no zlib. Needs no permission.
 *
 * @example A server's protocol that compresses
 * ```ts
 * import { Rfc6455Protocol } from "@wsconn/ws/framing";
 * import { MessageDeflate } from "@wsconn/ws/framing/deflate";
 * import { assert } from "@std/assert";
 *
 * const deflate = new MessageDeflate();
 * const events = { message: () => {}, pong: () => {} };
 * const protocol = new Rfc6455Protocol("server", events, { maxMessageSize: 65536 }, deflate);
 * await protocol.send("again and ".repeat(1000));
 * assert(protocol.output.size < 100);
 * protocol.release("output");
 * ```
 *
 * @module
 */
import { concat } from "@std/bytes/concat";
import type { Buffer } from "node:buffer";
// persistent zlib streams: CompressionStream can neither flush a message nor keep its window for the next
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from "node:zlib";
import type { DeflateRaw, InflateRaw, ZlibOptions } from "node:zlib";
import { WsProtocolError } from "./error.ts";

/** What is taken off the end of a compressed message, and put back before it is inflated (RFC 7692 §7.2.1–2). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);
/** zlib works in this thread: so many bytes of input, or of output, it works off before others have their turn. */
const DEFLATE_SLICE = 256 * 1024;
const INFLATE_SLICE = 1024 * 1024;
/** What a message counts besides what it inflates to, and what a zlib stream does that has to be made for a part of it. */
const MESSAGE_WORK = 8 * 1024, STREAM_WORK = 128 * 1024;

/** How messages are compressed in one direction. */
export interface DeflateDirection {
  /** The LZ77 window is 2 to the power of this, in bytes: 8–15. Default: 15 (RFC 7692 §7.1.2). */
  windowBits?: number | undefined;
  /** Whether each message is compressed by itself (RFC 7692 §7.1.1). Default: false. */
  noContextTakeover?: boolean | undefined;
}

/** What {@linkcode MessageDeflate} can be told. */
export interface MessageDeflateOptions {
  /** What this side sends. */
  outgoing?: DeflateDirection | undefined;
  /** What the peer sends. */
  incoming?: DeflateDirection | undefined;
  /** Messages below so many bytes are sent uncompressed. Default: 1024. */
  threshold?: number | undefined;
  /** zlib's compression level, 0–9. Default: zlib's own, 6. */
  level?: number | undefined;
  /** zlib's memory level, 1–9. Default: 8. */
  memLevel?: number | undefined;
  /**
   * Is called when zlib has worked for a while: is to call `goOn` once, when others have had their turn, and returns how to
   * call that off, which may be too late. Default: zlib goes on at once, for as long as it has to.
   */
  pause?: ((goOn: () => void) => () => void) | undefined;
}

type Pause = NonNullable<MessageDeflateOptions["pause"]>;

const noPause: Pause = (goOn) => {
  goOn();
  return () => {};
};

/** What zlib may do before others have their turn. */
class Slice {
  readonly #size: number;
  readonly #pause: Pause;
  /** How much has been done since they had it. */
  #done = 0;
  /** Whether they are about to have it, and how to call that off. */
  #asked = false;
  #callOff: (() => void) | undefined;

  constructor(size: number, pause: Pause) {
    this.#size = size;
    this.#pause = pause;
  }

  /** How much may still be done. */
  get left(): number {
    return Math.max(0, this.#size - this.#done);
  }

  /** So much more has been done. At half of it, asks to be told when others have their turn anyway: most often they do. */
  add(work: number): void {
    this.#done += work;
    if (!this.#asked && this.#done >= this.#size / 2) this.afterOthers(() => {});
  }

  /** Calls `goOn`, and nothing that was to be called before, when others have had their turn. */
  afterOthers(goOn: () => void): void {
    this.callOff();
    this.#asked = true;
    this.#callOff = this.#pause(() => {
      this.#asked = false;
      this.#done = 0;
      goOn();
    });
  }

  /** What waits for others is not to go on. */
  callOff(): void {
    this.#callOff?.();
    this.#asked = false;
  }
}

/**
 * Both directions of permessage-deflate on one connection, as they were agreed on. zlib's memory is taken with the first
 * compressed message, and given back with the connection; that of the deflater, most of it, with each message where no
 * context is taken over.
 *
 * @example
 * ```ts
 * import { MessageDeflate } from "@wsconn/ws/framing/deflate";
 * import { assertEquals } from "@std/assert";
 *
 * const { deflater } = new MessageDeflate();
 * // the "Hello" of RFC 7692 §7.2.3.1
 * assertEquals(
 *   await deflater.push(new TextEncoder().encode("Hello"), true),
 *   Uint8Array.of(0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00),
 * );
 * deflater.destroy();
 * ```
 */
export class MessageDeflate {
  /** Messages below so many bytes are sent uncompressed. */
  readonly threshold: number;
  /** Compresses what this side sends. */
  readonly deflater: Deflater;
  /** Inflates what the peer sends. */
  readonly inflater: Inflater;

  /**
   * Takes no memory of zlib's yet.
   *
   * @param options What was agreed on, and how hard to try.
   */
  constructor(options: MessageDeflateOptions = {}) {
    this.threshold = options.threshold ?? 1024;
    this.deflater = new Deflater(options);
    this.inflater = new Inflater(options.incoming ?? {}, options.pause ?? noPause);
  }
}

/**
 * Compresses the messages of one direction, one after the other.
 *
 * @example Each message makes the next one shorter, where it is like it
 * ```ts
 * import { MessageDeflate } from "@wsconn/ws/framing/deflate";
 * import { assertEquals } from "@std/assert";
 *
 * const { deflater } = new MessageDeflate();
 * const hello = new TextEncoder().encode("Hello");
 * assertEquals((await deflater.push(hello, true)).length, 7);
 * // RFC 7692 §7.2.3.2
 * assertEquals(await deflater.push(hello, true), Uint8Array.of(0xf2, 0x00, 0x11, 0x00, 0x00));
 * deflater.destroy();
 * ```
 */
export class Deflater {
  /**
   * Where each message is compressed by itself: what tells the deflaters apart that make different bytes of one. `undefined`
   * where the context is taken over, for then none makes the same as another.
   */
  readonly kind: string | undefined;
  readonly #options: MessageDeflateOptions;
  readonly #settings: ZlibOptions;
  #stream: DeflateRaw | undefined;
  readonly #pieces: Uint8Array[] = [];
  /** Fails the call that waits. */
  #fail: ((error: Error) => void) | undefined;
  readonly #slice: Slice;

  /** Use {@linkcode MessageDeflate}. */
  constructor(options: MessageDeflateOptions) {
    this.#options = options;
    this.#slice = new Slice(DEFLATE_SLICE, options.pause ?? noPause);
    const { outgoing, level = constants.Z_DEFAULT_COMPRESSION, memLevel = 8 } = options;
    // zlib makes 9 of 8, and then looks back no further than 250 bytes
    const { windowBits = 15, noContextTakeover } = outgoing ?? {};
    this.#settings = { windowBits, level, memLevel };
    this.kind = noContextTakeover ? `deflate ${windowBits} ${level} ${memLevel}` : undefined;
  }

  /**
   * Compresses a whole message by itself, whatever this deflater is doing; {@linkcode destroy} does not stop it, for other
   * connections may wait for the same.
   *
   * @param bytes The bytes; they may change after the call.
   * @returns What is to be sent: at once, or of a long message a promise.
   */
  deflate(bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (bytes.length > DEFLATE_SLICE) {
      const single = new Deflater(this.#options);
      return single.push(new Uint8Array(bytes), true).finally(() => single.destroy());
    }
    const finishFlush = constants.Z_SYNC_FLUSH;
    const compressed = deflateRawSync(bytes, { ...this.#settings, finishFlush });
    return bytesOf(compressed.subarray(0, -TAIL.length));
  }

  /**
   * Compresses the next bytes of a message; one call after the other.
   *
   * @param bytes The bytes; they must stay as they are until then.
   * @param last Whether the message ends with them.
   * @returns All that can be sent of it now.
   * @throws {Error} If {@linkcode destroy} is called before.
   */
  async push(bytes: Uint8Array, last: boolean): Promise<Uint8Array> {
    const stream = this.#stream ??= this.#open();
    let at = 0;
    for (let end; (end = at + this.#slice.left) < bytes.length; at = end) {
      await this.#orFail((done) => stream.write(bytes.subarray(at, end), done));
      this.#slice.add(end - at);
      if (this.#slice.left === 0) await this.#orFail((done) => this.#slice.afterOthers(done));
    }
    this.#slice.add(bytes.length - at);
    stream.write(bytes.subarray(at));
    await this.#orFail((done) => stream.flush(constants.Z_SYNC_FLUSH, done));
    const pieces = this.#pieces.splice(0);
    if (last && this.#options.outgoing?.noContextTakeover) this.#close();
    const compressed = pieces.length === 1 ? pieces[0]! : concat(pieces);
    if (!last) return compressed;
    // RFC 7692 §7.2.3.6: where there was nothing left to flush, an empty block has to be what the tail is taken off
    return compressed.length === 0 ? Uint8Array.of(0x00) : compressed.subarray(0, -TAIL.length);
  }

  /** Gives zlib's memory back, and makes the call that waits fail. */
  destroy(): void {
    this.#close();
    this.#slice.callOff();
    this.#fail?.(new Error("The deflater was destroyed"));
  }

  #close(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }

  #open(): DeflateRaw {
    const stream = createDeflateRaw(this.#settings);
    stream.on("data", (piece: Buffer) => this.#pieces.push(bytesOf(piece)));
    return stream;
  }

  /** Waits until `act` is done, or the deflater destroyed. */
  #orFail(act: (done: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      act(resolve);
    });
  }
}

/** What an {@linkcode Inflater} tells the protocol. */
export interface InflaterEvents {
  /** A piece of the message, valid during the call. Returns whether more may come before {@linkcode Inflater.resume}. */
  output(piece: Uint8Array): boolean;
  /** All that was pushed is inflated, or `error` tells why it cannot be. Is never called within `push`. */
  done(error?: Error): void;
}

/**
 * Inflates the messages of one direction, one after the other.
 *
 * @example
 * ```ts
 * import { MessageDeflate } from "@wsconn/ws/framing/deflate";
 * import { assertEquals } from "@std/assert";
 *
 * const { inflater } = new MessageDeflate();
 * const pieces: string[] = [];
 * await new Promise<void>((resolve, reject) => {
 *   inflater.events = {
 *     output: (piece) => pieces.push(new TextDecoder().decode(piece)) > 0,
 *     done: (error) => error === undefined ? resolve() : reject(error),
 *   };
 *   // the "Hello" of RFC 7692 §7.2.3.1
 *   inflater.push(Uint8Array.of(0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00), true);
 * });
 * assertEquals(pieces.join(""), "Hello");
 * inflater.destroy();
 * ```
 */
export class Inflater {
  /** Takes what is inflated. */
  events: InflaterEvents = { output: () => true, done: () => {} };
  readonly #options: DeflateDirection;
  #stream: InflateRaw | undefined;
  /** What is being inflated, and how much zlib had taken before. */
  #input: Uint8Array = TAIL;
  #last = false;
  #taken = 0;
  /** Whether something of the message has been pushed. */
  #begun = false;
  #held = false;
  /** Whether zlib has worked off the input; some output may still wait to be taken. */
  #flushed = false;
  readonly #slice: Slice;

  /** Use {@linkcode MessageDeflate}. */
  constructor(options: DeflateDirection, pause: Pause) {
    this.#options = options;
    this.#slice = new Slice(INFLATE_SLICE, pause);
  }

  /**
   * Inflates the next bytes of a message, which must stay as they are until `done` is called.
   *
   * @param bytes The bytes.
   * @param last Whether the message ends with them.
   */
  push(bytes: Uint8Array, last: boolean): void {
    this.#last = last;
    this.#begun ||= bytes.length > 0;
    // A message of no bytes at all is not DEFLATE, but has one meaning only; the tail alone would be half a block.
    if (!this.#begun) return queueMicrotask(() => this.events.done());
    this.#write(last ? concat([bytes, TAIL]) : bytes);
  }

  /** Goes on after `output` has returned `false`. */
  resume(): void {
    const stream = this.#stream;
    if (!this.#held || stream === undefined) return;
    this.#held = false;
    stream.resume(); // for the next message, if there is no more of this one
    if (this.#allTaken(stream)) {
      queueMicrotask(() => this.#stream === stream && this.#allOut(stream));
    }
  }

  /** Gives zlib's memory back; nothing more is told of what was pushed. */
  destroy(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#held = this.#flushed = this.#begun = false;
    this.#slice.callOff();
    stream?.destroy();
  }

  #open(): InflateRaw {
    const { windowBits = 15 } = this.#options;
    const stream = createInflateRaw({ windowBits, flush: constants.Z_SYNC_FLUSH });
    stream.on(
      "data",
      (piece: Buffer) => this.#stream === stream && this.#output(stream, bytesOf(piece)),
    );
    stream.on("error", ({ message }: Error) => {
      if (this.#stream !== stream) return;
      this.destroy();
      const error = new WsProtocolError(1007, `Compressed message cannot be inflated: ${message}`);
      queueMicrotask(() => this.events.done(error));
    });
    return stream;
  }

  #write(bytes: Uint8Array): void {
    const stream = this.#stream ??= this.#open();
    this.#input = bytes;
    this.#taken = stream.bytesWritten;
    // of an error the stream may know only after this call: "error" then tells of it, later still
    stream.write(bytes, () => queueMicrotask(() => this.#written(stream)));
  }

  #written(stream: InflateRaw): void {
    if (this.#stream !== stream || stream.destroyed) return;
    this.#flushed = true;
    if (!this.#held && this.#allTaken(stream)) this.#allOut(stream);
  }

  #output(stream: InflateRaw, piece: Uint8Array): void {
    this.#held = !this.events.output(piece);
    if (this.#stream !== stream) return; // that was too much
    this.#slice.add(piece.length);
    if (this.#held) stream.pause();
    else if (this.#allTaken(stream)) this.#allOut(stream);
    else if (this.#slice.left === 0) {
      stream.pause();
      this.#inTurn(() => {});
    }
  }

  /** Goes on: at once, or after a pause if much has been done. */
  #inTurn(act: () => void): void {
    if (this.#slice.left > 0) return act();
    this.#slice.afterOthers(() => {
      // whichever pause it is: one that is called off may have been what a paused stream waited for
      if (!this.#held) this.#stream?.resume();
      act();
    });
  }

  /** Whether all output has been taken. */
  #allTaken(stream: InflateRaw): boolean {
    return this.#flushed && stream.readableLength === 0;
  }

  /** What was pushed is inflated, and taken. */
  #allOut(stream: InflateRaw): void {
    this.#flushed = false;
    const rest = this.#input.subarray(stream.bytesWritten - this.#taken);
    if (rest.length > 0) return this.#afterFinalBlock(stream, rest);
    if (this.#last && this.#options.noContextTakeover) stream.reset(); // a new one would cost ten times as much
    this.#done();
  }

  #done(): void {
    if (this.#last) {
      this.#begun = false;
      this.#slice.add(MESSAGE_WORK);
    }
    this.#inTurn(() => this.events.done());
  }

  /** RFC 7692 §7.2.3.4: a block with BFINAL set, which ends the DEFLATE stream, may be followed by others. */
  #afterFinalBlock(stream: InflateRaw, rest: Uint8Array): void {
    stream.destroy();
    this.#stream = undefined;
    this.#slice.add(STREAM_WORK);
    if (this.#last && rest.length <= TAIL.length) return this.#done();
    this.#stream = this.#open();
    this.#inTurn(() => this.#write(rest));
  }
}

/** The same bytes as a mere `Uint8Array`: `slice` of a `Buffer` does not copy. */
function bytesOf({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
