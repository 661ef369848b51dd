import { decodeClose, encodeClose } from "./close.ts";
import type { MessageDeflate } from "./deflate.ts";
import { WsProtocolError } from "./error.ts";
import { type FrameHeader, MAX_CONTROL_PAYLOAD, Opcode, readFrameHeader } from "./frame.ts";
import { Input } from "./input.ts";
import { applyMask, rotateKey } from "./mask.ts";
import type { MessageSink, WsMessage, WsMessageType } from "./message.ts";
import { Output } from "./output.ts";
import type { Protocol, ProtocolEvents, ProtocolLimits, ProtocolState, Role } from "./protocol.ts";
import { MessageReceiver } from "./receiver.ts";
import { MessageSender } from "./sender.ts";
import type { SharedMessage } from "./shared.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * From this length on, the rest of a payload is read into the message itself, without a copy. To copy less costs less
 * than a read that ends with the message.
 */
const DIRECT_FROM = 32 * 1024;
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
  /** How many messages have been delivered whole, to {@linkcode ProtocolEvents.message} or a sink. */
  messagesReceived = 0;
  /** Their bytes, inflated; of text, its UTF-8. */
  bytesReceived = 0;
  readonly #isServer: boolean;
  readonly #events: ProtocolEvents;
  readonly #deflate: MessageDeflate | undefined;
  readonly #receiver: MessageReceiver;
  readonly #sender: MessageSender;
  readonly #input: Input = new Input();
  readonly #header: FrameHeader = {
    fin: false,
    rsv1: false,
    opcode: 0,
    length: 0,
    masked: false,
    maskKey: 0,
  };
  /** Whether a frame's payload is being taken, how much of it has not arrived yet, and the key for its next byte. */
  #inPayload = false;
  #missing = 0;
  #maskKey = 0;
  /** The last {@linkcode space}, if it was a place in the message itself. */
  #direct: Uint8Array | undefined;
  /** Whether messages have been delivered in this call of {@linkcode receive}: what ends the connection waits then. */
  #delivered = false;
  #endWaits = false;
  #failure: WsProtocolError | undefined;
  /** The payload of the Ping to answer once the peer reads again. */
  #pongHeld: Uint8Array<ArrayBuffer> | undefined;

  /**
   * Starts in the state `open`: the handshake is done.
   *
   * @param role Which end this is.
   * @param events Takes the messages and Pongs.
   * @param limits What the peer must not exceed.
   * @param deflate Compresses and inflates, if that was agreed on (RFC 7692).
   */
  constructor(
    role: Role,
    events: ProtocolEvents,
    limits: ProtocolLimits,
    deflate?: MessageDeflate,
  ) {
    this.#isServer = this.hangsUp = role === "server";
    this.#events = events;
    this.#deflate = deflate;
    this.#receiver = new MessageReceiver(events, limits, deflate);
    this.#sender = new MessageSender(this, role === "client", deflate);
  }

  /** How many messages have been appended to the output whole. */
  get messagesSent(): number {
    return this.#sender.messages;
  }

  /** Their bytes, before any compression; of text, its UTF-8. */
  get bytesSent(): number {
    return this.#sender.bytes;
  }

  /**
   * Whether bytes wait to be decoded: for zlib; for somebody to ask for a message too long to gather; or, if they end the
   * connection, for the messages before them to be answered.
   */
  get stalled(): boolean {
    return this.#receiver.stalled || this.#endWaits;
  }

  /** The buffer that the next bytes are to be read into. */
  space(): Uint8Array {
    this.#direct = this.state === "open" && this.#missing >= DIRECT_FROM
      ? this.#receiver.space(this.#missing)
      : undefined;
    if (this.#direct === undefined) return this.#input.space();
    this.#input.passedBy = true; // it is empty
    return this.#direct;
  }

  /** Decodes the next `length` bytes, which have been read into {@linkcode space}. Never throws: see `state` and `error`. */
  receive(length: number): void {
    this.#delivered = this.#endWaits = false;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#direct !== undefined) this.#receiveDirect(this.#direct.subarray(0, length));
      else if (length > 0) this.#input.received(length);
      if (this.#receiver.stalled) this.#receiver.resume();
      this.#decode();
    } catch (error) {
      if (!(error instanceof WsProtocolError)) throw error;
      if (this.#delivered && this.state === "open") {
        this.#failure = error;
        this.#endWaits = true;
      } else this.#fail(error);
    }
    if (this.state === "closed") this.#input.clear();
  }

  /** The next message, or what is missing of the one that is arriving, goes to `sink`. */
  receiveInto(sink: MessageSink): void {
    this.#receiver.receiveInto(sink);
  }

  /** The peer has ended TCP: without a Close before, that is no way to close (RFC 6455 §7.1.5). */
  end(): void {}

  /** Appends a message to the output; at once, or if a promise is returned then. In the state `open` only. */
  send(message: WsMessage): Promise<void> | undefined {
    return this.#sender.send(message);
  }

  /** Appends a fragment (RFC 6455 §5.4); at once, or if a promise is returned then. In the state `open` only. */
  sendPart(
    type: WsMessageType,
    part: Uint8Array,
    place: { first: boolean; last: boolean },
  ): Promise<void> | undefined {
    return this.#sender.sendPart(type, part, place);
  }

  /**
   * The frame of a message that goes to other connections too, or `undefined` if this one's differ from everybody else's:
   * they are masked with a key of their own (RFC 6455 §5.3), or compressed with the help of the messages before.
   */
  share(message: SharedMessage): Uint8Array | Promise<Uint8Array> | undefined {
    return this.#sender.share(message);
  }

  /** Appends the frame that {@linkcode share} has made of the message. In the state `open` only. */
  sendShared(message: SharedMessage, frame: Uint8Array): void {
    this.drained(); // who is always behind, and never has all of the output, shall have a Pong nevertheless
    this.#sender.sendShared(message, frame);
  }

  /** Appends a Ping with this payload, at most 125 bytes. In the state `open` only. */
  ping(payload: Uint8Array): void {
    if (payload.length > MAX_CONTROL_PAYLOAD) {
      throw new RangeError(`Cannot ping with ${payload.length} bytes: at most 125 fit`);
    }
    this.#sender.control(Opcode.Ping, payload);
  }

  /** Appends a Close; nothing can be sent after it. Does nothing in any other state than `open`. */
  close(code: number, reason: string): void {
    if (this.state !== "open") return;
    this.#sender.control(Opcode.Close, encodeClose(code, reason));
    this.state = "closing";
    this.#receiver.drop();
  }

  /** To be called when the output has been written, after having grown long: appends what was held back. */
  drained(): void {
    if (this.#pongHeld !== undefined && this.state === "open") {
      this.#sender.control(Opcode.Pong, this.#pongHeld);
    }
    this.#pongHeld = undefined;
  }

  /** The connection is no more: gives back the buffers that are read into, or those that are written from. */
  release(part: "input" | "output"): void {
    this.state = "closed";
    if (part === "output") {
      this.output.release();
      this.#deflate?.deflater.destroy();
    } else {
      this.#input.release();
      this.#receiver.drop();
    }
  }

  /** Decodes every complete frame that the input holds. */
  #decode(): void {
    const input = this.#input;
    const header = this.#header;
    while (this.state !== "closed" && !this.stalled) {
      if (this.#inPayload) {
        if (this.#missing === 0) this.#frameDone();
        else if (!this.#takePiece()) return;
        continue;
      }
      const size = readFrameHeader(input.bytes, input.start, input.end, header);
      if (size === 0) return;
      this.#checkHeader();
      const start = input.start + size;
      const end = start + header.length;
      if (header.opcode >= Opcode.Close) {
        // A control frame is so short that its header may be read again when more of it has come.
        if (end > input.end) return;
        this.#endWaits = header.opcode === Opcode.Close && this.#delivered;
        if (this.#endWaits) return;
        input.start = end;
        this.#control(header.opcode, start, end);
      } else {
        if (this.state === "open" && !this.#mayBegin()) return;
        input.start = start;
        const isWhole = end <= input.end && header.fin && !this.#receiver.begun;
        if (isWhole && !header.rsv1 && !this.#receiver.awaited) {
          input.start = end;
          if (this.state === "open") this.#wholeMessage(start, end);
        } else this.#beginPieces();
      }
    }
  }

  #checkHeader(): void {
    const { masked, rsv1, opcode } = this.#header;
    // RFC 6455 §5.1: a client masks every frame, a server none.
    if (masked !== this.#isServer) {
      throw new WsProtocolError(
        1002,
        this.#isServer ? "Frame from the client is not masked" : "Frame from the server is masked",
      );
    }
    if (!rsv1) return;
    // RFC 6455 §5.2: no extension was agreed that gives it a meaning.
    if (this.#deflate === undefined) throw new WsProtocolError(1002, "Reserved bit RSV1 is set");
    // RFC 7692 §6.1: only the first frame of a message says that it is compressed.
    if (opcode !== Opcode.Text && opcode !== Opcode.Binary) {
      throw new WsProtocolError(1002, "Reserved bit RSV1 is set on a frame that begins no message");
    }
  }

  /** Checks that this data frame may stand here, and whether it may be taken now (see `stalled`). */
  #mayBegin(): boolean {
    const { opcode, length, rsv1 } = this.#header;
    // RFC 6455 §5.4
    if (opcode === Opcode.Continuation && !this.#receiver.begun) {
      throw new WsProtocolError(1002, "Continuation frame without a message to continue");
    }
    if (opcode !== Opcode.Continuation && this.#receiver.begun) {
      throw new WsProtocolError(1002, "New message begins within a fragmented one");
    }
    return this.#receiver.admits(length, rsv1);
  }

  /** The fast way: a message that is one frame, all of which is in the buffer. */
  #wholeMessage(start: number, end: number): void {
    const input = this.#input;
    const { opcode, maskKey } = this.#header;
    if (opcode === Opcode.Binary) {
      const message = input.copy(start, end, this.#isServer ? maskKey : undefined);
      return this.#deliver(message, message.length);
    }
    // Unmasking touches every byte anyway, and says on the way whether it is ASCII.
    const seen = this.#isServer ? input.unmask(start, end, maskKey) : -1;
    const text = (seen & 0x80808080) === 0
      ? input.ascii(start, end)
      : decodeUtf8(input.bytes.subarray(start, end));
    // RFC 6455 §8.1
    if (text === undefined) throw new WsProtocolError(1007, "Text message is not valid UTF-8");
    this.#deliver(text, end - start);
  }

  #deliver(message: WsMessage, length: number): void {
    this.#countReceived(length);
    this.#events.message(message);
  }

  /** A message of this length is delivered. */
  #countReceived(length: number): void {
    this.#delivered = true;
    this.messagesReceived++;
    this.bytesReceived += length;
  }

  /** A frame that is part of a message, or not all here, or compressed: its payload is taken piece by piece. */
  #beginPieces(): void {
    const { opcode, length, maskKey, rsv1 } = this.#header;
    if (this.state === "open" && !this.#receiver.begun) {
      this.#receiver.begin(opcode === Opcode.Text, rsv1);
    }
    this.#inPayload = true;
    this.#missing = length;
    this.#maskKey = maskKey;
  }

  /** Takes what the input holds of the current payload; `false` if that is nothing. */
  #takePiece(): boolean {
    const input = this.#input;
    const start = input.start;
    const length = Math.min(this.#missing, input.end - start);
    if (length === 0) return false;
    input.start += length;
    this.#missing -= length;
    if (!this.#receiver.begun) return true; // closing: to be discarded
    const piece = input.bytes.subarray(start, start + length);
    this.#unmask(piece);
    this.#receiver.take(piece, this.#missing, this.#header.fin);
    return true;
  }

  #receiveDirect(piece: Uint8Array): void {
    this.#direct = undefined;
    this.#missing -= piece.length;
    if (!this.#receiver.begun) return; // closed meanwhile
    this.#unmask(piece);
    this.#receiver.takeFromSpace(piece);
  }

  #unmask(piece: Uint8Array): void {
    if (!this.#isServer) return;
    applyMask(piece, 0, piece.length, this.#maskKey);
    this.#maskKey = rotateKey(this.#maskKey, piece.length);
  }

  #frameDone(): void {
    const length = this.#header.fin && this.#receiver.begun ? this.#receiver.finish() : undefined;
    if (length !== undefined) this.#countReceived(length);
    if (!this.stalled) this.#inPayload = false; // otherwise it is finished when zlib is
  }

  #control(opcode: number, start: number, end: number): void {
    const payload = this.#input.bytes.subarray(start, end);
    if (this.#isServer) applyMask(payload, 0, payload.length, this.#header.maskKey);
    if (opcode === Opcode.Close) this.#closeReceived(payload);
    else if (opcode === Opcode.Pong) this.#events.pong(payload);
    else if (this.state === "open") {
      // RFC 6455 §5.5.3: of several Pings only the latest needs an answer.
      const reads = this.output.size < PONG_LIMIT;
      if (reads) this.#sender.control(Opcode.Pong, payload);
      this.#pongHeld = reads ? undefined : payload.slice();
    }
  }

  #closeReceived(payload: Uint8Array): void {
    this.received = decodeClose(payload);
    // RFC 6455 §5.5.1: "the endpoint typically echos the status code it received"; the reason too, as others do
    if (this.state === "open") this.#sender.control(Opcode.Close, payload);
    this.state = "closed";
  }

  /** Fails the connection, RFC 6455 §7.1.7. */
  #fail(error: WsProtocolError): void {
    if (this.state === "open") {
      this.error = error;
      this.#sender.control(Opcode.Close, encodeClose(error.closeCode, error.message));
    }
    this.state = "closed";
    this.#receiver.drop();
  }
}
