/** Compression for tests: one side of a protocol that compresses, what a peer compresses, and how many zlib handles there are. */
import { assert, assertEquals } from "@std/assert";
import zlib from "node:zlib";
import { MessageDeflate, type MessageDeflateOptions } from "../../framing/deflate.ts";
import {
  encodeFrame,
  type ProtocolLimits,
  readFrameHeader,
  Rfc6455Protocol,
  type Role,
} from "../../framing/mod.ts";
import { applyMask } from "../../framing/mask.ts";
import { afterOthers } from "../../options.ts";
import { unhex } from "./bytes.ts";
import { Side } from "./protocol.ts";

/** What all zlib streams inherit, and types do not tell. */
interface ZlibStream {
  _handle: unknown;
  on(event: string, listener: unknown): unknown;
  _destroy(error: unknown, callback: unknown): void;
}

let open = 0;

// counts those that somebody listens to, until their native handle is given back
for (const stream of [zlib.createDeflateRaw(), zlib.createInflateRaw()]) {
  const prototype = Object.getPrototypeOf(stream) as ZlibStream;
  const { on, _destroy } = prototype;
  prototype.on = function (event, listener) {
    if (event === "data") open++;
    return on.call(this, event, listener);
  };
  prototype._destroy = function (error, callback) {
    _destroy.call(this, error, callback);
    if (this._handle === null) open--;
  };
}

/** How many streams of zlib hold native memory now. */
export function openHandles(): number {
  return open;
}

/** What a peer makes of `bytes`, by itself or with `dictionary` sent before: a whole message, without its tail. */
export function compressed(bytes: Uint8Array | string, options: zlib.ZlibOptions = {}): Uint8Array {
  const whole = zlib.deflateRawSync(bytes, {
    ...options,
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });
  return new Uint8Array(whole.subarray(0, -4)); // RFC 7692 §7.2.1
}

/** A frame as the peer of `role` sends it: its first byte and its payload, which may be given in hex. */
export function fromPeer(role: Role, first: number, payload: Uint8Array | string): Uint8Array {
  const bytes = typeof payload === "string" ? unhex(payload) : payload;
  const frame = encodeFrame(0, bytes, { maskKey: role === "server" ? 0x3d21fa37 : undefined });
  frame[0] = first;
  return frame;
}

/** The frames that a side sent: first byte and payload. */
export function framesOf(role: Role, bytes: Uint8Array): [number, Uint8Array][] {
  const frames: [number, Uint8Array][] = [];
  const header = { fin: false, rsv1: false, opcode: 0, length: 0, masked: false, maskKey: 0 };
  for (let at = 0; at < bytes.length;) {
    const size = readFrameHeader(bytes, at, bytes.length, header);
    assert(size > 0, "a whole header");
    assertEquals(header.masked, role === "client"); // RFC 6455 §5.1
    const payload = bytes.slice(at + size, at + size + header.length);
    applyMask(payload, 0, payload.length, header.maskKey);
    frames.push([bytes[at]!, payload]);
    at += size + header.length;
  }
  return frames;
}

/** One side of a protocol with compression. */
export class DeflateSide implements Disposable {
  readonly deflate: MessageDeflate;
  readonly side: Side;
  /** How many bytes were inflated. */
  inflated = 0;
  #resumed = Promise.withResolvers<void>();

  constructor(
    role: Role,
    options: MessageDeflateOptions = {},
    limits: Partial<ProtocolLimits> = {},
  ) {
    this.deflate = new MessageDeflate({ pause: afterOthers, ...options }); // as connections do
    this.side = new Side((events) =>
      new Rfc6455Protocol(
        role,
        { ...events, resumed: () => this.resume() },
        { maxMessageSize: 1 << 20, ...limits },
        this.deflate,
      )
    );
    const { events } = this.deflate.inflater;
    this.deflate.inflater.events = {
      output: (piece) => {
        this.inflated += piece.length;
        return events.output(piece);
      },
      done: (error) => events.done(error),
    };
  }

  /** Takes one piece as a connection would: reads no more while the protocol is stalled. */
  async receive(bytes: Uint8Array): Promise<void> {
    const { protocol } = this.side;
    while (bytes.length > 0) {
      const space = protocol.space();
      const part = bytes.subarray(0, space.length);
      space.set(part);
      protocol.receive(part.length);
      bytes = bytes.subarray(part.length);
      while (protocol.stalled) {
        await this.#resumed.promise;
        this.#resumed = Promise.withResolvers();
        protocol.receive(0);
      }
    }
  }

  /** Makes a `receive` that waits look again at whether the protocol is stalled. */
  resume(): void {
    this.#resumed.resolve();
  }

  /** The end of the connection. */
  [Symbol.dispose](): void {
    this.side.protocol.release("input");
    this.side.protocol.release("output");
  }
}
