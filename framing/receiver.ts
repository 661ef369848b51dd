import type { MessageDeflate } from "./deflate.ts";
import { WsProtocolError } from "./error.ts";
import { MessageBuilder, type MessageSink } from "./message.ts";
import type { ProtocolEvents, ProtocolLimits } from "./protocol.ts";

const NONE = new Uint8Array(0);

/**
 * Puts a message of RFC 6455 together from the payloads of its frames, piece by piece: gathers it, or hands it to a sink;
 * inflates it if it is compressed; and sees that it does not grow too long. Throws what the connection is to be failed for.
 */
export class MessageReceiver {
  /** Whether no more can be taken: zlib is at work, or the message waits for somebody to ask for it. */
  stalled = false;
  readonly #events: ProtocolEvents;
  readonly #limits: ProtocolLimits;
  readonly #deflate: MessageDeflate | undefined;
  /** The message that is arriving; from its first frame to its last. */
  #message: MessageBuilder | undefined;
  /** Takes the next message piece by piece. */
  #sink: MessageSink | undefined;
  #compressed = false;
  /** Whether a piece is being inflated, and whether it was the last. */
  #inflating = false;
  #inflated = false;
  /** Why it is refused, unless somebody takes it piece by piece. */
  #tooLong: WsProtocolError | undefined;
  /** Why it could not be inflated, or was refused on the way. */
  #failure: Error | undefined;

  /**
   * @param events Takes the messages.
   * @param limits What the peer must not exceed.
   * @param deflate Inflates, if that was agreed on.
   */
  constructor(events: ProtocolEvents, limits: ProtocolLimits, deflate: MessageDeflate | undefined) {
    this.#events = events;
    this.#limits = limits;
    this.#deflate = deflate;
    if (deflate === undefined) return;
    deflate.inflater.events = {
      output: (piece) => this.#inflatedPiece(piece),
      done: (error) => {
        if (!this.#inflating) return; // dropped meanwhile
        this.#inflating = false;
        this.#failure = error;
        events.resumed?.();
      },
    };
  }

  /** Whether a message has begun and has not ended. */
  get begun(): boolean {
    return this.#message !== undefined;
  }

  /** Whether the next message has to be taken here, because a sink waits for it. */
  get awaited(): boolean {
    return this.#sink !== undefined;
  }

  /** The next message, or what is missing of the one that is arriving, goes to `sink`. */
  receiveInto(sink: MessageSink): void {
    if (this.#message === undefined) this.#sink = sink;
    else this.#message.divert(sink);
  }

  /** A message begins. */
  begin(isText: boolean, compressed: boolean): void {
    this.#message = new MessageBuilder(isText, this.#limits.maxMessageSize, this.#sink);
    this.#sink = undefined;
    this.#compressed = compressed;
    this.#inflated = false;
  }

  /** Whether a frame of `length` bytes may be taken now; otherwise it waits, until it is refused or asked for. */
  admits(length: number, compressed: boolean): boolean {
    if (compressed || (this.#message !== undefined && this.#compressed)) {
      // what counts is its inflated length; and one read may hold many that inflate to a thousand times theirs
      this.stalled = this.#message === undefined && this.#events.wantsMore?.() === false;
      return !this.stalled;
    }
    const error = this.#ifTooLong((this.#message?.length ?? 0) + length);
    if (error === undefined) return true;
    if (this.#isRefused()) throw error;
    this.stalled = true;
    return false;
  }

  /** Takes an unmasked piece, which must stay as it is while this is stalled; `missing` more bytes of its frame follow. */
  take(piece: Uint8Array, missing: number, fin: boolean): void {
    if (this.#compressed) return this.#inflate(piece, missing === 0 && fin);
    this.#assertTaken(piece.length + missing);
    this.#message!.push(piece, piece.length + missing);
  }

  /** Where the `missing` bytes of a frame may be read into, if that spares a copy. */
  space(missing: number): Uint8Array | undefined {
    const message = this.#message;
    const gathers = message !== undefined && message.sink === undefined && !this.#compressed;
    return gathers ? message.space(missing) : undefined;
  }

  /** Takes a piece that was read into {@linkcode space}, and then unmasked. */
  takeFromSpace(piece: Uint8Array): void {
    if (this.#message!.sink === undefined) return this.#message!.received(piece.length);
    this.#assertTaken(piece.length); // asked for meanwhile
    this.#message!.push(piece, piece.length);
  }

  /** The last frame is complete: delivers the message, unless that has to wait for zlib. Returns its length if it has. */
  finish(): number | undefined {
    const message = this.#message!;
    if (this.#compressed && !this.#inflated) {
      this.#inflate(NONE, true);
      return undefined;
    }
    this.#assertTaken(0);
    this.#message = undefined;
    const whole = message.finish();
    if (whole !== undefined) this.#events.message(whole);
    return message.length;
  }

  /** Looks whether what has stalled it still does. */
  resume(): void {
    this.stalled = false;
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#inflating) return;
    if (this.#tooLong !== undefined && this.#isRefused()) {
      if (this.#ifTooLong(this.#message!.length) !== undefined) throw this.#tooLong;
      this.#tooLong = undefined; // somebody takes it piece by piece
    }
    this.stalled = true;
    if (this.#tooLong === undefined) this.#deflate!.inflater.resume();
  }

  /** What has arrived of a message is of no interest any more. */
  drop(): void {
    this.#message = this.#sink = this.#failure = undefined;
    this.#inflating = false;
    this.#deflate?.inflater.destroy();
  }

  #inflate(piece: Uint8Array, last: boolean): void {
    this.#inflating = this.stalled = true;
    this.#inflated = last;
    this.#deflate!.inflater.push(piece, last);
  }

  #inflatedPiece(piece: Uint8Array): boolean {
    const message = this.#message!;
    try {
      this.#tooLong = this.#ifTooLong(message.length + piece.length);
      if (this.#tooLong !== undefined && this.#isRefused()) throw this.#tooLong;
      return message.push(piece, piece.length) && this.#tooLong === undefined;
    } catch (error) {
      const { inflater } = this.#deflate!;
      inflater.destroy();
      queueMicrotask(() => inflater.events.done(error as Error)); // not within zlib's call
      return false;
    }
  }

  /** RFC 6455 §10.4 */
  #ifTooLong(total: number): WsProtocolError | undefined {
    const limit = this.#taker?.maxMessageSize ?? this.#limits.maxMessageSize;
    if (total <= limit) return undefined;
    return new WsProtocolError(
      1009,
      `Message of ${total} bytes or more: at most ${limit} are taken`,
    );
  }

  /** Checks that a sink takes what it was given before it could be asked, and `more` bytes. */
  #assertTaken(more: number): void {
    if (this.#message!.sink === undefined) return;
    const error = this.#ifTooLong(this.#message!.length + more);
    if (error !== undefined) throw error;
  }

  /** Whether a message that is too long is refused now, rather than when somebody asks for it as a whole. */
  #isRefused(): boolean {
    return this.#taker !== undefined || this.#events.tooLong?.() !== false;
  }

  /** The sink of the message that is arriving, or of the next. */
  get #taker(): MessageSink | undefined {
    return this.#message === undefined ? this.#sink : this.#message.sink;
  }
}
