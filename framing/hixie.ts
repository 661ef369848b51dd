import { concat } from "@std/bytes/concat";
import { WsProtocolError } from "./error.ts";
import { Input } from "./input.ts";
import { MessageBuilder, type MessageSink, type WsMessage } from "./message.ts";
import type { FramingMode } from "./mode.ts";
import { Output } from "./output.ts";
import type {
  Protocol,
  ProtocolEvents,
  ProtocolLimits,
  ProtocolState,
  Version,
} from "./protocol.ts";
import type { SharedMessage } from "./shared.ts";
import { encodeUtf8 } from "./utf8.ts";

/** The drafts have neither codes nor reasons: a closing frame is one without a status, RFC 6455 §7.1.5. */
const CLOSED = { code: 1005, reason: "" };
/** What stands before a text in the "new" framing: its type and 8 bytes of length. */
const NEW_HEADER = 9;

/**
 * Where the decoder stands: before a frame; in the text of one; in one that is discarded, up to its 0xFF or for
 * `#missing` bytes; or in a length, of which `#missing` holds what has been read.
 */
type Place = "type" | "text" | "skip-to-end" | "skip" | "base-128" | "length";

/**
 * The protocol of the drafts before RFC 6455 for one connection, in either role: hixie-76
 * ({@link https://www.ietf.org/archive/id/draft-ietf-hybi-thewebsocketprotocol-00.html | hybi-00}) and hixie-75, whose only
 * difference, once open, is that it has no closing frame. Text only; no pings, no codes, no fragments. Pure.
 *
 * @example
 * ```ts
 * import { HixieProtocol } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const messages: unknown[] = [];
 * const events = { message: (m: unknown) => messages.push(m), pong: () => {} };
 * const protocol = new HixieProtocol("hixie-76", "old", events, { maxMessageSize: 1024 });
 * const frame = Uint8Array.of(0x00, 0x48, 0x69, 0xff);
 * protocol.space().set(frame);
 * protocol.receive(frame.length);
 * assertEquals(messages, ["Hi"]);
 * ```
 */
export class HixieProtocol implements Protocol {
  /** Which draft. */
  readonly version: Version;
  /** The drafts carry text only. */
  readonly textOnly = true;
  /** Either side may close TCP once the closing frames are exchanged. */
  readonly hangsUp = true;
  /** Where the connection stands. */
  state: ProtocolState = "open";
  /** Code 1005, once the peer has closed. */
  received: { code: number; reason: string } | undefined;
  /** Why the connection was failed, if it was. */
  error: WsProtocolError | undefined;
  /** The frames to write. */
  readonly output: Output = new Output();
  /** How many messages have been appended to the output. */
  messagesSent = 0;
  /** Their bytes, as UTF-8. */
  bytesSent = 0;
  /** How many messages have been delivered whole, to {@linkcode ProtocolEvents.message} or a sink. */
  messagesReceived = 0;
  /** Their bytes, as UTF-8. */
  bytesReceived = 0;
  readonly #mode: FramingMode;
  readonly #events: ProtocolEvents;
  readonly #limits: ProtocolLimits;
  readonly #input: Input = new Input();
  #place: Place = "type";
  #type = 0;
  #message: MessageBuilder | undefined;
  /** Whether a message waits for somebody to ask for it, because it is too long to gather. */
  #tooLongWaits = false;
  /** Whether messages have been delivered in this call of {@linkcode receive}: what ends the connection waits then. */
  #delivered = false;
  #closeWaits = false;
  #failure: WsProtocolError | undefined;
  /** Takes the next message piece by piece. */
  #sink: MessageSink | undefined;
  #missing = 0;
  /** How many bytes of a length have been read, or of a frame that is discarded up to its end. */
  #count = 0;

  /**
   * Starts in the state `open`: the handshake is done.
   *
   * @param version Which draft.
   * @param mode How messages are framed.
   * @param events Takes the messages.
   * @param limits What the peer must not exceed.
   */
  constructor(
    version: "hixie-75" | "hixie-76",
    mode: FramingMode,
    events: ProtocolEvents,
    limits: ProtocolLimits,
  ) {
    this.version = version;
    this.#mode = mode;
    this.#events = events;
    this.#limits = limits;
  }

  /**
   * Whether bytes wait to be decoded: for somebody to ask for a message too long to gather; or, if they end the
   * connection, for the messages before them to be answered.
   */
  get stalled(): boolean {
    return this.#tooLongWaits || this.#closeWaits || this.#failure !== undefined;
  }

  /** The buffer that the next bytes are to be read into. */
  space(): Uint8Array {
    return this.#input.space();
  }

  /** Decodes the next `length` bytes, which have been read into {@linkcode space}. Never throws: see `state` and `error`. */
  receive(length: number): void {
    const input = this.#input;
    if (length > 0) input.received(length);
    this.#delivered = this.#tooLongWaits = false;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closeWaits) this.#closeReceived();
      while (input.start < input.end && this.state !== "closed" && !this.stalled) this.#step();
    } catch (error) {
      if (!(error instanceof WsProtocolError)) throw error;
      this.#failure = this.#delivered ? error : undefined;
      if (!this.#delivered) this.#fail(error);
    }
    if (this.state === "closed") input.clear();
  }

  #fail(error: WsProtocolError): void {
    this.error = this.state === "open" ? error : undefined;
    this.state = "closed";
  }

  /** The next message, or what is missing of the one that is arriving, goes to `sink`. */
  receiveInto(sink: MessageSink): void {
    if (this.#message === undefined) this.#sink = sink;
    else this.#message.divert(sink);
  }

  /** The peer has ended TCP, which is how hixie-75 closes. */
  end(): void {
    const between = this.#place === "type" && this.state !== "closed";
    if (this.version === "hixie-75" && between) this.#closed();
  }

  /** Appends a message to the output. In the state `open` only. */
  send(message: WsMessage): undefined {
    this.#assertText(message);
    this.#assertOpen();
    const text = encodeUtf8(message);
    for (const part of textFrame(text, this.#mode)) this.output.append(part);
    this.#sent(text.length);
  }

  /** The frame of a message that goes to other connections too. */
  share(message: SharedMessage): Uint8Array {
    this.#assertText(message.message);
    return message.frame(
      `hixie-${this.#mode}`,
      () => concat(textFrame(message.payload, this.#mode)),
    );
  }

  /** Appends the frame that {@linkcode share} has made of the message. In the state `open` only. */
  sendShared(message: SharedMessage, frame: Uint8Array): void {
    this.#assertOpen();
    this.output.append(frame);
    this.#sent(message.payload.length);
  }

  /** The drafts have no Ping: throws a `TypeError`. */
  ping(_payload: Uint8Array): void {
    throw new TypeError(`Cannot ping: ${this.version} has no Ping`);
  }

  /** Appends a closing frame, where the draft has one. Codes and reasons have no place in it. */
  close(_code: number, _reason: string): void {
    if (this.state !== "open") return;
    this.#message = undefined;
    if (this.version === "hixie-75") return this.#closed();
    this.#appendClose();
    this.state = "closing";
  }

  /** Nothing is ever held back. */
  drained(): void {}

  /** The connection is no more: gives back the buffers that are read into, or those that are written from. */
  release(part: "input" | "output"): void {
    this.state = "closed";
    if (part === "output") this.output.release();
    else {
      this.#input.release();
      this.#message = undefined;
    }
  }

  /** Takes a part of a frame: a byte of its head, or as much of its content as is here. */
  #step(): void {
    const input = this.#input;
    if (this.#place === "type") return this.#begin(input.bytes[input.start++]!);
    if (this.#place === "base-128" || this.#place === "length") {
      return this.#readLength(input.bytes[input.start++]!);
    }
    // the 0xFF that ends a frame of the old framing is no part of UTF-8, and is looked for in each byte once
    const delimited = this.#place === "skip-to-end" ||
      (this.#place === "text" && this.#mode === "old");
    const found = delimited ? input.bytes.subarray(0, input.end).indexOf(0xff, input.start) : -1;
    const until = delimited
      ? found === -1 ? input.end : found
      : Math.min(input.end, input.start + this.#missing);
    const length = until - input.start;
    if (this.#place === "text") {
      // announced, unless the end is only marked
      if (!this.#takeText(length, delimited ? length : this.#missing)) return;
    } else if (delimited) this.#checkSize(this.#count += length);
    if (!delimited) this.#missing -= length;
    input.start = until + (found === -1 ? 0 : 1);
    if (found !== -1 || (!delimited && this.#missing === 0)) this.#finish();
  }

  /** Takes the next `length` bytes of a text, unless it grows too long with the `expected`. */
  #takeText(length: number, expected: number): boolean {
    const message = this.#message;
    if (message === undefined) return true; // closing: it is discarded
    const { bytes, start } = this.#input;
    const room = this.#limit(message.sink) - message.length;
    if (expected === length && room > 0 && room < length) {
      // what still fits may be invalid, which shows first however the text is cut
      message.push(bytes.subarray(start, start + room), room);
      this.#input.start += room;
      return false;
    }
    this.#tooLongWaits = this.#mustWait(message.length + expected, message.sink);
    if (!this.#tooLongWaits) message.push(bytes.subarray(start, start + length), expected);
    return !this.#tooLongWaits;
  }

  #begin(type: number): void {
    this.#type = type;
    this.#missing = this.#count = 0;
    if (this.#mode === "new") {
      if (type !== 0xff && type !== 0x00) {
        throw new WsProtocolError(1002, `Frame type ${type} is neither text (255) nor close (0)`);
      }
      this.#place = "length";
    } else if (type >= 0x80) this.#place = "base-128"; // hybi-00 §5.3
    else if (type === 0x00) this.#beginText();
    else this.#place = "skip-to-end"; // hybi-00 §5.3: a type other than 0x00 is read and discarded
  }

  #beginText(): void {
    this.#place = "text";
    if (this.state !== "open") return;
    this.#message = new MessageBuilder(true, this.#limits.maxMessageSize, this.#sink);
    this.#sink = undefined;
  }

  #readLength(byte: number): void {
    const base128 = this.#place === "base-128";
    this.#missing = base128 ? this.#missing * 128 + (byte & 0x7f) : this.#missing * 256 + byte;
    this.#count++;
    // leading zeros could go on for ever without making a base-128 length any longer
    if (this.#count > 8 + 1) {
      throw new WsProtocolError(1002, "Frame length takes more than 9 bytes");
    }
    if (this.#mode === "old" || this.state !== "open") this.#checkSize(this.#missing);
    else this.#mustWait(this.#missing, this.#sink); // throws as soon as it is known
    if (base128 ? byte >= 0x80 : this.#count < 8) return;
    if (this.#isClose()) {
      this.#closeWaits = this.#delivered;
      return this.#closeWaits ? undefined : this.#closeReceived();
    }
    if (this.#mode === "new") {
      if (this.#type === 0x00) {
        throw new WsProtocolError(1002, "Closing frame has a length, which must be 0");
      }
      this.#beginText();
    } else this.#place = "skip"; // hybi-00 §5.3: read and discarded
    if (this.#missing === 0) this.#finish();
  }

  #isClose(): boolean {
    if (this.#missing > 0) return false;
    return this.#mode === "new"
      ? this.#type === 0x00
      : this.#type === 0xff && this.version === "hixie-76";
  }

  #finish(): void {
    this.#place = "type";
    const message = this.#message;
    this.#message = undefined;
    if (message === undefined) return; // closing: it was discarded
    const whole = message.finish();
    this.#delivered = true;
    this.messagesReceived++;
    this.bytesReceived += message.length;
    if (whole !== undefined) this.#events.message(whole);
  }

  /** Whether a message of so many bytes must wait for somebody to ask for it; throws if it is refused. */
  #mustWait(size: number, sink: MessageSink | undefined): boolean {
    const limit = this.#limit(sink);
    if (size <= limit) return false;
    if (sink !== undefined || this.#events.tooLong?.() !== false) throw tooLong(size, limit);
    return true;
  }

  #limit(sink: MessageSink | undefined): number {
    return sink?.maxMessageSize ?? this.#limits.maxMessageSize;
  }

  #checkSize(size: number): void {
    const { maxMessageSize } = this.#limits;
    if (size > maxMessageSize) throw tooLong(size, maxMessageSize);
  }

  #closeReceived(): void {
    this.#closeWaits = false;
    if (this.state === "open") this.#appendClose();
    this.#closed();
  }

  #closed(): void {
    this.received = CLOSED;
    this.state = "closed";
  }

  #assertText(message: WsMessage): asserts message is string {
    if (typeof message !== "string") {
      throw new TypeError(`Cannot send binary: ${this.version} carries text only`);
    }
  }

  #sent(bytes: number): void {
    this.messagesSent++;
    this.bytesSent += bytes;
  }

  #assertOpen(): void {
    if (this.state !== "open") {
      throw new TypeError(`Cannot send a message: the protocol's state is "${this.state}"`);
    }
  }

  #appendClose(): void {
    this.output.append(this.#mode === "old" ? Uint8Array.of(0xff, 0x00) : newHeader(0x00, 0));
  }
}

function tooLong(size: number, limit: number): WsProtocolError {
  return new WsProtocolError(1009, `Frame of ${size} bytes or more: at most ${limit} are taken`);
}

/** The parts of a frame that carries this text. */
function textFrame(text: Uint8Array, mode: FramingMode): Uint8Array[] {
  return mode === "old"
    ? [Uint8Array.of(0x00), text, Uint8Array.of(0xff)]
    : [newHeader(0xff, text.length), text];
}

function newHeader(type: number, length: number): Uint8Array {
  const header = new Uint8Array(NEW_HEADER);
  header[0] = type;
  new DataView(header.buffer).setBigUint64(1, BigInt(length));
  return header;
}
