import { decodeClose, encodeClose } from "./close.ts";
import { WsProtocolError } from "./error.ts";
import {
  encodeFrame,
  FIN,
  type FrameHeader,
  frameHeaderSize,
  MAX_CONTROL_PAYLOAD,
  MAX_HEADER,
  Opcode,
  readFrameHeader,
  writeFrameHeader,
} from "./frame.ts";
import { Input } from "./input.ts";
import { applyMask, nextMaskKey, rotateKey } from "./mask.ts";
import { MessageBuilder, type WsMessage } from "./message.ts";
import { BY_REFERENCE_FROM, Output } from "./output.ts";
import { LARGE_BUFFER } from "./pool.ts";
import type { Protocol, ProtocolEvents, ProtocolLimits, ProtocolState, Role } from "./protocol.ts";
import { decodeUtf8, encodeUtf8, writeUtf8 } from "./utf8.ts";

/** From this length on, the rest of a payload is read into the message itself, without a copy. */
const DIRECT_FROM = 16 * 1024;
/** Pongs are held back while this much waits to be written: the peer sends Pings but does not read. */
const PONG_LIMIT = 64 * 1024;

/**
 * The protocol of {@link https://www.rfc-editor.org/rfc/rfc6455 | RFC 6455} for one connection, in either role: frames,
 * masking, fragments, control frames, and the closing handshake. Pure: bytes in, bytes out.
 *
 * @example A server's side, fed the masked "Hello" of §5.7
 * ```ts
 * import { Rfc6455Protocol } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const messages: unknown[] = [];
 * const events = { message: (m: unknown) => messages.push(m), pong: () => {} };
 * const protocol = new Rfc6455Protocol("server", events, { maxMessageSize: 1024 });
 * const frame = Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58);
 * protocol.space().set(frame);
 * protocol.receive(frame.length);
 * assertEquals(messages, ["Hello"]);
 *
 * protocol.send("Hello");
 * assertEquals(protocol.output.next(), Uint8Array.of(0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f));
 * ```
 */
export class Rfc6455Protocol implements Protocol {
  /** Which protocol it is. */
  readonly version = "rfc6455";
  /** It carries binary messages too. */
  readonly textOnly = false;
  /** RFC 6455 §7.1.1: the server closes TCP first, and the client waits for it. */
  readonly hangsUp: boolean;
  /** Where the connection stands. */
  state: ProtocolState = "open";
  /** What the peer's Close frame said, once it has arrived. */
  received: { code: number; reason: string } | undefined;
  /** Why the connection was failed, if it was. */
  error: WsProtocolError | undefined;
  /** The frames to write. */
  readonly output: Output = new Output();

  readonly #isServer: boolean;
  readonly #events: ProtocolEvents;
  readonly #limits: ProtocolLimits;
  readonly #input: Input = new Input();
  readonly #header: FrameHeader = {
    fin: false,
    rsv1: false,
    opcode: 0,
    length: 0,
    masked: false,
    maskKey: 0,
  };
  /** The message whose pieces are arriving; from its first frame to its last. */
  #message: MessageBuilder | undefined;
  /** How much of the current frame's payload has not arrived yet. */
  #missing = 0;
  /** The masking key for the next byte of it. */
  #maskKey = 0;
  /** Whether the last {@linkcode space} was a place in `#message`. */
  #direct = false;
  /** The payload of the Ping to answer once the peer reads again. */
  #pongHeld: Uint8Array<ArrayBuffer> | undefined;

  /**
   * Starts in the state `open`: the handshake is done.
   *
   * @param role Which end this is.
   * @param events Takes the messages and Pongs.
   * @param limits What the peer must not exceed.
   */
  constructor(role: Role, events: ProtocolEvents, limits: ProtocolLimits) {
    this.#isServer = this.hangsUp = role === "server";
    this.#events = events;
    this.#limits = limits;
  }

  /** The buffer that the next bytes are to be read into. */
  space(): Uint8Array {
    this.#direct = this.state === "open" && this.#missing >= DIRECT_FROM &&
      this.#message !== undefined;
    if (!this.#direct) return this.#input.space();
    this.#input.clear(); // empty it is; the next frame's header shall come through the small buffer again
    return this.#message!.space(this.#missing);
  }

  /** Decodes the next `length` bytes, which have been read into {@linkcode space}. Never throws: see `state` and `error`. */
  receive(length: number): void {
    try {
      if (this.#direct) this.#receiveDirect(length);
      else {
        this.#input.received(length);
        this.#decode();
      }
    } catch (error) {
      if (!(error instanceof WsProtocolError)) throw error;
      this.#fail(error);
    }
    if (this.state === "closed") this.#input.clear();
  }

  /** The peer has ended TCP: without a Close before, that is no way to close (RFC 6455 §7.1.5). */
  end(): void {}

  /** Appends a message to the output. In the state `open` only. */
  send(message: WsMessage): void {
    if (this.state !== "open") {
      throw new TypeError(`Cannot send a message: the protocol's state is "${this.state}"`);
    }
    if (typeof message !== "string") this.#appendFrame(FIN | Opcode.Binary, message);
    else if (message.length * 3 + MAX_HEADER > LARGE_BUFFER) {
      this.#appendFrame(FIN | Opcode.Text, encodeUtf8(message));
    } else this.#appendText(message);
  }

  /** Appends a Ping with this payload, at most 125 bytes. In the state `open` only. */
  ping(payload: Uint8Array): void {
    if (payload.length > MAX_CONTROL_PAYLOAD) {
      throw new RangeError(`Cannot ping with ${payload.length} bytes: at most 125 fit`);
    }
    this.#appendControl(Opcode.Ping, payload);
  }

  /** Appends a Close; nothing can be sent after it. Does nothing in any other state than `open`. */
  close(code: number, reason: string): void {
    if (this.state !== "open") return;
    this.#appendControl(Opcode.Close, encodeClose(code, reason));
    this.state = "closing";
    this.#message = undefined;
  }

  /** To be called when the output has been written, after having grown long: appends what was held back. */
  drained(): void {
    if (this.#pongHeld !== undefined && this.state === "open") {
      this.#appendControl(Opcode.Pong, this.#pongHeld);
    }
    this.#pongHeld = undefined;
  }

  /** Gives the buffers back, except those that are being read into or written from. */
  release(part: "input" | "output"): void {
    if (part === "output") this.output.release();
    else {
      this.#input.release();
      this.#message = undefined;
    }
  }

  /** Decodes every complete frame that the input holds. */
  #decode(): void {
    const input = this.#input;
    const header = this.#header;
    while (this.state !== "closed") {
      if (this.#missing > 0 && !this.#takePiece()) return;
      const size = readFrameHeader(input.bytes, input.start, input.end, header);
      if (size === 0) return;
      // RFC 6455 §5.1: a client masks every frame, a server none.
      if (header.masked !== this.#isServer) {
        throw new WsProtocolError(
          1002,
          this.#isServer
            ? "Frame from the client is not masked"
            : "Frame from the server is masked",
        );
      }
      // RFC 6455 §5.2: no extension was agreed that gives it a meaning.
      if (header.rsv1) throw new WsProtocolError(1002, "Reserved bit RSV1 is set");
      const start = input.start + size;
      const end = start + header.length;
      if (header.opcode >= Opcode.Close) {
        // A control frame is so short that its header may be read again when more of it has come.
        if (end > input.end) return;
        input.start = end;
        this.#control(header.opcode, start, end);
      } else {
        if (this.state === "open") this.#checkDataFrame();
        input.start = start;
        if (end <= input.end && header.fin && this.#message === undefined) {
          input.start = end;
          if (this.state === "open") this.#wholeMessage(start, end);
        } else this.#beginPieces();
      }
    }
  }

  /** Checks that this frame may stand here, and that the message does not grow too long with it. */
  #checkDataFrame(): void {
    const { opcode, length } = this.#header;
    // RFC 6455 §5.4
    if (opcode === Opcode.Continuation && this.#message === undefined) {
      throw new WsProtocolError(1002, "Continuation frame without a message to continue");
    }
    if (opcode !== Opcode.Continuation && this.#message !== undefined) {
      throw new WsProtocolError(1002, "New message begins within a fragmented one");
    }
    const total = length + (this.#message?.length ?? 0);
    // RFC 6455 §10.4
    if (total > this.#limits.maxMessageSize) {
      throw new WsProtocolError(
        1009,
        `Message of ${total} bytes or more: at most ${this.#limits.maxMessageSize} are taken`,
      );
    }
  }

  /** The fast way: a message that is one frame, all of which is in the buffer. */
  #wholeMessage(start: number, end: number): void {
    const { bytes } = this.#input;
    const { opcode, maskKey } = this.#header;
    // Unmasking touches every byte anyway, and says on the way whether it is ASCII.
    const seen = this.#isServer ? applyMask(bytes, start, end, maskKey) : -1;
    if (opcode === Opcode.Binary) return this.#events.message(bytes.slice(start, end));
    const text = (seen & 0x80808080) === 0
      ? this.#input.ascii(start, end)
      : decodeUtf8(bytes.subarray(start, end));
    // RFC 6455 §8.1
    if (text === undefined) throw new WsProtocolError(1007, "Text message is not valid UTF-8");
    this.#events.message(text);
  }

  /** A frame that is part of a message, or not all here: its payload is taken piece by piece. */
  #beginPieces(): void {
    const { opcode, length, maskKey } = this.#header;
    if (this.state === "open") this.#message ??= new MessageBuilder(opcode === Opcode.Text);
    this.#missing = length;
    this.#maskKey = maskKey;
    if (length === 0) this.#frameDone();
  }

  /** Takes what the input holds of the current payload; `false` if that was not all of it. */
  #takePiece(): boolean {
    const input = this.#input;
    const start = input.start;
    const length = Math.min(this.#missing, input.end - start);
    if (length === 0) return false;
    input.start += length;
    if (this.#message !== undefined) {
      const piece = input.bytes.subarray(start, start + length);
      if (this.#isServer) this.#unmask(piece, 0, length);
      this.#message.push(piece, this.#missing);
    }
    return this.#pieceTaken(length);
  }

  #receiveDirect(length: number): void {
    const message = this.#message;
    if (message !== undefined) { // otherwise closed meanwhile
      if (this.#isServer) this.#unmask(message.space(this.#missing), 0, length);
      message.received(length);
    }
    this.#pieceTaken(length);
  }

  #unmask(bytes: Uint8Array, start: number, end: number): void {
    applyMask(bytes, start, end, this.#maskKey);
    this.#maskKey = rotateKey(this.#maskKey, end - start);
  }

  #pieceTaken(length: number): boolean {
    this.#missing -= length;
    if (this.#missing > 0) return false;
    this.#frameDone();
    return true;
  }

  #frameDone(): void {
    if (!this.#header.fin || this.#message === undefined) return;
    const message = this.#message.finish();
    this.#message = undefined;
    this.#events.message(message);
  }

  #control(opcode: number, start: number, end: number): void {
    const payload = this.#input.bytes.subarray(start, end);
    if (this.#isServer) applyMask(payload, 0, payload.length, this.#header.maskKey);
    if (opcode === Opcode.Close) this.#closeReceived(payload);
    else if (opcode === Opcode.Pong) this.#events.pong(payload);
    else if (this.state === "open") {
      // RFC 6455 §5.5.3: of several Pings only the latest needs an answer.
      const reads = this.output.size < PONG_LIMIT;
      if (reads) this.#appendControl(Opcode.Pong, payload);
      this.#pongHeld = reads ? undefined : payload.slice();
    }
  }

  #closeReceived(payload: Uint8Array): void {
    this.received = decodeClose(payload);
    // RFC 6455 §5.5.1: "the endpoint typically echos the status code it received"; the reason too, as others do
    if (this.state === "open") this.#appendControl(Opcode.Close, payload);
    this.state = "closed";
  }

  /** Fails the connection, RFC 6455 §7.1.7. */
  #fail(error: WsProtocolError): void {
    if (this.state === "open") {
      this.error = error;
      this.#appendControl(Opcode.Close, encodeClose(error.closeCode, error.message));
    }
    this.state = "closed";
    this.#message = undefined;
  }

  #appendText(text: string): void {
    const { output } = this;
    const maskKey = this.#isServer ? undefined : nextMaskKey();
    const start = output.reserve(text.length * 3 + MAX_HEADER);
    const { tail } = output;
    // Written behind a header for as many bytes as characters, and moved if there turn out to be many more.
    const guess = start + frameHeaderSize(text.length, !this.#isServer);
    const length = writeUtf8(text, tail, guess);
    const at = writeFrameHeaderBefore(tail, start, guess, FIN | Opcode.Text, length, maskKey);
    if (maskKey !== undefined) applyMask(tail, at, at + length, maskKey);
    output.commit(at + length - start);
  }

  #appendFrame(first: number, payload: Uint8Array): void {
    const { output } = this;
    const { length } = payload;
    const maskKey = this.#isServer ? undefined : nextMaskKey();
    const copied = length < BY_REFERENCE_FROM ? length : 0;
    const start = output.reserve(MAX_HEADER + copied);
    const { tail } = output;
    const at = writeFrameHeader(tail, start, first, length, maskKey);
    if (copied > 0) {
      tail.set(payload, at);
      if (maskKey !== undefined) applyMask(tail, at, at + length, maskKey);
    }
    output.commit(at + copied - start);
    if (copied < length) output.push(payload, maskKey);
  }

  #appendControl(opcode: number, payload: Uint8Array): void {
    const maskKey = this.#isServer ? undefined : nextMaskKey();
    this.output.append(encodeFrame(opcode, payload, { maskKey }));
  }
}

/** Writes the header at `start` for a payload that stands at `guess`, moving the payload up to it if it must. */
function writeFrameHeaderBefore(
  bytes: Uint8Array,
  start: number,
  guess: number,
  first: number,
  length: number,
  maskKey: number | undefined,
): number {
  const size = frameHeaderSize(length, maskKey !== undefined);
  if (start + size !== guess) bytes.copyWithin(start + size, guess, guess + length);
  return writeFrameHeader(bytes, start, first, length, maskKey);
}
