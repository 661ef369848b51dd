import { CloseCode, type MessageSink, type WsMessage, WsProtocolError } from "./framing/mod.ts";
import { IncomingMessage, streamOf, type WsMessageStream } from "./message_stream.ts";
import { Fifo, HIGH_WATER, MESSAGE_QUEUE } from "./queue.ts";
import type { Wire } from "./wire.ts";

/** What can be closed: a connection. */
interface Closable {
  close(code?: number, reason?: string): Promise<unknown>;
}

/**
 * The way in of one connection: the messages that the protocol decodes, up to where somebody takes them. A stream of whole
 * messages, the calls that read from it, and the messages that are taken piece by piece instead.
 */
export class Incoming implements UnderlyingDefaultSource<WsMessage> {
  /** The whole messages. */
  readonly stream: ReadableStream<WsMessage>;
  /** Moves the bytes; to be set before anything is asked for. */
  wire!: Wire;
  readonly #conn: Closable;
  #controller!: ReadableStreamDefaultController<WsMessage>;
  #reader: ReadableStreamDefaultReader<WsMessage> | undefined;
  /**
   * What waits in `stream`, until somebody else may read from it. The stream does not tell: it promises its messages one by
   * one, and to make a promise of the message out of that costs as much as its own.
   */
  #waiting: Fifo<WsMessage> | undefined = new Fifo();
  /** How many calls of `recv` wait for a promise of the stream: what is asked for after them shall not come before. */
  #promised = 0;
  /** For how many calls of `recv` no message has come, and who waits for them. */
  #unserved = 0;
  #allServed: PromiseWithResolvers<void> | undefined;
  /** Whether somebody else may be reading from `stream`. */
  #exposed = false;
  /** Whether what was decoded last contained messages; whether they, or some before them, are not answered yet. */
  #delivered = false;
  #answerDue = false;
  /** To be called when the stream need not be pulled for more: it has enough, or there is no more. */
  #pulling: (() => void) | undefined;
  #ended = false;
  /** What is thrown once the messages before it are taken. */
  #failure: Error | undefined;
  #readiness: PromiseWithResolvers<void> | undefined;
  /** The message that is, or the next that will be, taken piece by piece. */
  #piecewise: IncomingMessage | undefined;
  /** The last call of `recvStream`, as long as it waits: what is asked for after it waits too. */
  #turn: Promise<void> | undefined;
  /** Whether a message that is too long to be gathered waits for somebody to ask for it. */
  #waitsLong = false;

  /** @param conn The connection that this is a part of. */
  constructor(conn: Closable) {
    this.#conn = conn;
    this.stream = new ReadableStream(this, MESSAGE_QUEUE);
  }

  // The source of `stream`, not to be called by anybody else: methods, for closures would take memory for each connection.

  start(controller: ReadableStreamDefaultController<WsMessage>): void {
    this.#controller = controller;
  }

  /** Reads until enough messages wait, and hands a failure over behind the last of them. */
  pull(): Promise<void> | undefined {
    if (this.#failure !== undefined) {
      this.#failIfEmpty();
      return undefined;
    }
    const promise = new Promise<void>((resolve) => this.#pulling = resolve);
    this.wire.readOn(); // may come to the end of the connection at once
    return promise;
  }

  #failIfEmpty(): void {
    if (this.#failure !== undefined && this.#isEmpty) this.#controller.error(this.#failure);
  }

  async cancel(): Promise<void> {
    await this.#conn.close();
  }

  /** The stream, for somebody else to read from, if no `recv` waits. */
  expose(): ReadableStream<WsMessage> {
    if (this.#unserved === 0 && this.#turn === undefined) {
      this.#reader?.releaseLock();
      this.#reader = undefined;
      this.#exposed = true;
      this.#waiting = undefined;
      if (this.#waitsLong) this.wire.readOn();
    }
    return this.stream;
  }

  /** Whether no message waits to be taken. */
  get #isEmpty(): boolean {
    if (this.#waiting !== undefined) return this.#waiting.first === undefined;
    // an empty queue of an open stream desires exactly as much as it can hold
    return this.#controller.desiredSize === HIGH_WATER;
  }

  /** Whether no message waits to be taken, but one may come. */
  get #isDry(): boolean {
    return this.#isEmpty && !this.#ended;
  }

  /** Whether what is sent now answers the last message that has arrived. */
  isAnswered(): boolean {
    if (!this.#answerDue || !this.#isDry) return false;
    this.#answerDue = false;
    return true;
  }

  recv(): Promise<WsMessage | null> {
    const isNext = this.#promised === 0 && this.#turn === undefined;
    const message = isNext ? this.#waiting?.first : undefined;
    if (message === undefined) {
      this.#promised++;
      return this.next().then(this.#messageOf);
    }
    this.#waiting!.drop();
    void this.#lock().read(); // that message
    return Promise.resolve(message);
  }

  /** Not called when the stream has failed, or is locked by somebody else: then nothing is `#waiting` any more. */
  readonly #messageOf = (
    { value, done }: IteratorResult<WsMessage, undefined>,
  ): WsMessage | null => {
    this.#promised--;
    return done ? null : value;
  };

  /** As `recv`, but for iteration: what the stream's reader gives. */
  next(): Promise<IteratorResult<WsMessage, undefined>> {
    return this.#turn === undefined ? this.#nextNow() : this.#inTurn(() => this.#nextNow());
  }

  #nextNow(): Promise<IteratorResult<WsMessage, undefined>> {
    let reader;
    try {
      reader = this.#lock();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#failIfEmpty(); // now, rather than when it pulls
    const isDry = this.#isDry;
    if (isDry) this.#unserved++;
    this.#waiting?.drop();
    const read = reader.read() as Promise<IteratorResult<WsMessage, undefined>>;
    if (isDry) this.wire.runDry();
    return read;
  }

  ready(): Promise<void> {
    if (!this.#isDry || this.#waitsLong) return Promise.resolve();
    const { promise } = this.#readiness ??= Promise.withResolvers<void>();
    this.wire.runDry(); // may come to a message, or to the end, at once
    return promise;
  }

  recvStream(maxMessageSize: number): Promise<WsMessageStream | null> {
    return this.#inTurn(() => this.#nextStream(maxMessageSize));
  }

  /** Asks for a message when all that was asked for before has come. */
  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    let before = this.#turn;
    if (before === undefined && this.#unserved > 0) {
      this.#allServed = Promise.withResolvers();
      before = this.#allServed.promise;
    }
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    this.#turn = turn;
    try {
      if (before !== undefined) await before;
      return await ask();
    } finally { // before the caller goes on, who may then lock `stream`
      if (this.#turn === turn) this.#turn = undefined;
      resolve();
    }
  }

  /** Keeps others from reading from `stream`. */
  #lock(): ReadableStreamDefaultReader<WsMessage> {
    if (this.#reader === undefined) {
      this.#reader = this.stream.getReader();
      this.#exposed = false;
    }
    return this.#reader;
  }

  async #nextStream(maxMessageSize: number): Promise<WsMessageStream | null> {
    this.#lock();
    await this.#piecewise?.over; // what still comes belongs to the stream before
    if (this.#isDry) {
      const { wire } = this;
      this.#waitsLong = false;
      const message = this.#piecewise = new IncomingMessage(maxMessageSize, {
        readOn: () => wire.readOn(),
        ended: () => this.#delivered = true,
      });
      wire.framing.receiveInto(message);
      wire.runDry();
      const stream = await message.begun;
      if (stream !== undefined) return stream;
    }
    const { value, done } = await this.#nextNow();
    if (done) return null;
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    if (bytes.length > maxMessageSize) {
      const reason = `Message of ${bytes.length} bytes: at most ${maxMessageSize} are taken`;
      void this.#conn.close(CloseCode.MessageTooBig, reason);
      throw new WsProtocolError(CloseCode.MessageTooBig, reason);
    }
    return streamOf(typeof value === "string" ? "text" : "binary", bytes);
  }

  /** A message is arriving that is too long to be gathered. Returns whether somebody waits for it as a whole. */
  tooLong(): boolean {
    if (this.#ended) { // while a Close waits for what is sent before it
      this.wire.framing.receiveInto(DISCARD);
      queueMicrotask(() => this.wire.readOn());
      return false;
    }
    if (this.#unserved > 0 || this.#exposed) return true;
    this.#waitsLong = true; // until it is asked for, by `recv` or by `recvStream`
    this.#wakeReady();
    return false;
  }

  /** A whole message has arrived. */
  deliver(message: WsMessage): void {
    if (this.#ended) return;
    this.#delivered = this.#answerDue = true;
    this.#controller.enqueue(message);
    if (this.#unserved === 0) this.#waiting?.push(message);
    else if (--this.#unserved === 0) this.#allServed?.resolve();
  }

  /** Bytes have been decoded. Returns whether there were messages among them, or the end of one. */
  decoded(): boolean {
    this.#wakeReady();
    const delivered = this.#delivered;
    this.#delivered = false;
    return delivered;
  }

  /** Whether more shall be read. */
  wantsMore(): boolean {
    if (this.#ended) return true; // to be discarded
    if (this.#piecewise?.wantsMore === false) return false; // its reader will call for more
    return this.#controller.desiredSize! > 0;
  }

  /** Nothing is read, because enough waits: `stream` is to pull again when it has room, if it is `stream` that is full. */
  paused(): void {
    if (this.#controller.desiredSize! <= 0) this.#pulled();
  }

  /** No more messages will come; `failure` tells why, if the connection was not closed. */
  end(failure?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#piecewise?.fail(failure);
    if (this.#piecewise !== undefined) this.wire.framing.receiveInto(DISCARD); // whatever its limit was
    if (failure === undefined) closeQuietly(this.#controller);
    else {
      this.#failure = failure;
      this.#failIfEmpty();
    }
    this.#unserved = 0; // `stream` has told them
    this.#allServed?.resolve();
    this.#pulled();
    this.#wakeReady();
  }

  #pulled(): void {
    this.#pulling?.();
    this.#pulling = undefined;
  }

  #wakeReady(): void {
    if (this.#readiness === undefined || (this.#isDry && !this.#waitsLong)) return;
    this.#readiness.resolve();
    this.#readiness = undefined;
  }
}

/** Takes a message that nobody wants. */
const DISCARD: MessageSink = {
  maxMessageSize: Infinity,
  begin: () => {},
  push: () => true,
  end: () => {},
};

/** Closes a stream that may have been cancelled already. */
function closeQuietly(controller: ReadableStreamDefaultController): void {
  try {
    controller.close();
  } catch {
    // cancelled
  }
}
