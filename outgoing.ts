import { concat } from "@std/bytes/concat";
import { WsConnectionClosed } from "./errors.ts";
import { assertMessage, isMessage } from "./framing/message.ts";
import { decodeUtf8 } from "./framing/utf8.ts";
import { OutgoingMessage, type WsMessageSource } from "./outgoing_message.ts";
import { type Protocol, SharedMessage, type WsMessage, type WsMessageType } from "./framing/mod.ts";
import { HIGH_WATER, MESSAGE_WEIGHT } from "./queue.ts";
import type { Wire } from "./wire.ts";

/** What {@linkcode Outgoing} asks and tells the connection it belongs to. */
export interface OutgoingEvents {
  /** Whether the connection takes no more messages. */
  isClosed(): boolean;
  /** What a `send` is told then. */
  closedError(): Error;
  /** The stream was closed: closes the connection behind what has been sent. Settles at its end. */
  close(): Promise<unknown>;
  /** The stream was aborted, or a message could not be sent: closes the connection at once. */
  abort(): void;
  /** Whether this message is the answer to the last that has arrived, and so is to leave at once. */
  isAnswer(): boolean;
}

/** What the stream's queue and promises take for a message, roughly. */
const QUEUED_WEIGHT = 256;

/** All that waits in one queue: messages, those that others send too, and those that are sent while they are made. */
type AnyMessage = WsMessage | SharedMessage | OutgoingMessage;

/** The way out of one connection: the messages that are given to it, up to where they are framed and flushed. */
export class Outgoing {
  /** Takes the messages; from the first on or the end, for a connection that only listens has no use for its 2.8 KB. */
  #stream: WritableStream<AnyMessage> | undefined;
  /** How much of what was given to `stream` is not framed yet: bytes, and of text UTF-16 code units. */
  unframed = 0;

  readonly #wire: Wire;
  readonly #framing: Protocol;
  readonly #events: OutgoingEvents;
  #controller: WritableStreamDefaultController | undefined;
  #writer: WritableStreamDefaultWriter<AnyMessage> | undefined;
  /** Whether somebody else may write to `stream`, and abort it. */
  #exposed = false;
  /** How many messages were given to `stream` and are not framed yet. */
  #queued = 0;
  /** Whether a message has just been framed and need not wait: its `send` will succeed. */
  #isTaken = false;
  /** The Close that goes out behind the messages that were sent before it. */
  #lastWords: { code: number; reason: string } | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  /** How much was shared since somebody waits for that. */
  #behind = 0;
  /** The message that is being sent piece by piece. */
  #piecewise: OutgoingMessage | undefined;

  constructor(wire: Wire, events: OutgoingEvents) {
    this.#wire = wire;
    this.#framing = wire.framing;
    this.#events = events;
  }

  #open(): WritableStream<AnyMessage> {
    return this.#stream ??= new WritableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      write: (message) => this.#write(message),
      close: async () => {
        this.#queued = 0; // also counts what was given to the stream when it was closing already
        await this.#events.close();
      },
      abort: async () => {
        await this.#events.close(); // by now it is being closed
      },
    }, {
      highWaterMark: HIGH_WATER,
      size: (message) => {
        this.#queued++;
        if (!isMessage(message) && !(message instanceof SharedMessage)) {
          return 1; // a message in pieces, or refused when its turn comes
        }
        const { length } = message;
        this.unframed += length;
        return length + MESSAGE_WEIGHT;
      },
    });
  }

  /** The stream, for somebody else to write to. */
  expose(): WritableStream<WsMessage> {
    this.#writer?.releaseLock();
    this.#writer = undefined;
    const stream = this.#open();
    if (!this.#exposed) {
      this.#exposed = true;
      // At once: the stream itself would first wait for a write that a stalled peer holds up. And not before it is
      // exposed and so can be aborted: most connections never need the signal.
      this.#controller!.signal.addEventListener("abort", () => this.#abort());
    }
    return stream as WritableStream<WsMessage>; // messages in pieces are nobody else's to write
  }

  send(message: WsMessage): Promise<void> {
    try {
      assertMessage(message, "send");
      this.#assertCarries(typeof message === "string");
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#enqueue(message);
  }

  sendStream(source: WsMessageSource, type: WsMessageType): Promise<void> {
    let message: OutgoingMessage;
    try {
      if (type !== "text" && type !== "binary") {
        throw new TypeError(
          `Cannot send a message of type ${JSON.stringify(type)}: it must be "text" or "binary"`,
        );
      }
      this.#assertCarries(type === "text");
      message = new OutgoingMessage(source, type);
    } catch (error) {
      return Promise.reject(error);
    }
    const accepted = this.#enqueue(message); // takes its place among the other messages
    const sent: Promise<void> = accepted.then(() => {
      if (message.failure !== undefined) throw message.failure.error;
    }, (error) => {
      message.cancel(error);
      // as for `send`; but what the source throws is the sender's concern
      const isEnd = error instanceof WsConnectionClosed || this.#isAborted;
      if (isEnd) sent.catch(ignore);
      throw error;
    });
    return sent;
  }

  /** How much memory waits to be written: bytes, and what a message that waits to be framed takes besides them. */
  get held(): number {
    return this.#framing.output.size + this.unframed + this.#queued * QUEUED_WEIGHT;
  }

  /**
   * Sends a message that goes to others too: at once if it is framed and nothing before it waits to be, else in its turn.
   * Returns whether it is taken.
   */
  share(message: SharedMessage): boolean {
    const isLocked = this.#stream?.locked === true && this.#writer === undefined;
    const isCarried = message.isText || !this.#framing.textOnly;
    if (this.#events.isClosed() || isLocked || !isCarried) return false;
    const frame = this.#framing.share(message);
    if (frame instanceof Uint8Array && this.#queued === 0) {
      this.#framing.sendShared(message, frame);
      this.#passed(frame.length);
      // Not even the first at once: to so many connections, one write for each instead of two is half of the work.
      if (this.#events.isAnswer()) this.#wire.flush();
      else this.#wire.atEndOfTurn();
    } else void this.#enqueue(frame === undefined ? message.kept : message);
    return true;
  }

  /** A shared frame is in the output: who waits until all is written shall not wait for what came behind, time and again. */
  #passed(length: number): void {
    if (this.#drained === undefined) return;
    this.#behind += length;
    if (this.#framing.output.size <= this.#behind) this.drained();
  }

  #enqueue(message: AnyMessage): Promise<void> {
    let accepted;
    this.#isTaken = false;
    try {
      accepted = this.#events.isClosed()
        ? Promise.reject(this.#events.closedError())
        : (this.#writer ??= this.#open().getWriter()).write(message);
    } catch (error) {
      return Promise.reject(error); // somebody else has locked it
    }
    // A send that nobody awaits must not end the program when the peer goes away; most can fail no more by now.
    if (!this.#isTaken) accepted.catch(ignore);
    return accepted;
  }

  /** Sends a Close behind all that was given to `stream` before. */
  close(code: number, reason: string): void {
    this.#lastWords = { code, reason };
    if (this.#queued === 0) this.#sayClose();
  }

  /** The peer has closed, or the connection has failed or is lost: whoever waits to send is told so at once. */
  end(error: Error): void {
    this.#refuseMore(error);
    this.#piecewise?.cancel(error);
    this.#drained?.reject(error);
    this.#drained = undefined;
  }

  /** All output has been written. */
  drained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  /** The sink of `stream`: frames the message, and waits when too much is not written yet. */
  #write(message: AnyMessage): Promise<void> | undefined {
    try {
      // nearly every message is one of these two, and `instanceof` looks through all that a message inherits from
      if (isMessage(message)) {
        this.#assertCarries(typeof message === "string");
        this.#assertOpen();
        return this.#whenFramed(this.#framing.send(message), message.length);
      }
      if (message instanceof OutgoingMessage) return this.#orAbort(this.#writePieces(message));
      if (!(message instanceof SharedMessage)) assertMessage(message, "send");
      this.#assertOpen();
      return this.#whenFramed(this.#writeShared(message), message.length);
    } catch (error) {
      // an error here is the end of the stream, so it is the end of the connection too
      this.#abort();
      throw error;
    }
  }

  #whenFramed(framing: Promise<void> | undefined, length: number): Promise<void> | undefined {
    if (framing === undefined) return this.#framed(length);
    return this.#orAbort(framing.then(() => this.#framed(length)));
  }

  #writeShared(message: SharedMessage): Promise<void> | undefined {
    const frame = this.#framing.share(message)!; // this is known to be one that can be shared
    if (frame instanceof Uint8Array) return void this.#framing.sendShared(message, frame);
    return frame.then((frame) => this.#framing.sendShared(message, frame));
  }

  async #orAbort(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      const failure = this.#isOpen ? error : this.#events.closedError();
      this.#abort();
      throw failure;
    }
  }

  /** A message of this length is framed. */
  #framed(length: number): Promise<void> | undefined {
    this.#queued--;
    this.unframed -= length;
    if (this.#queued === 0 && this.#lastWords !== undefined) this.#sayClose();
    const writing = this.#waitIfFull();
    // The answer to the last message that has arrived leaves at once; what follows it gathers.
    if (writing === undefined) {
      this.#isTaken = true;
      if (this.#events.isAnswer()) this.#wire.flush();
      else this.#wire.gather();
    }
    return writing;
  }

  #waitIfFull(): Promise<void> | undefined {
    const { output } = this.#framing;
    if (this.#wire.closed || (output.size < HIGH_WATER && output.borrowed === 0)) return undefined;
    this.#drained = Promise.withResolvers();
    this.#behind = 0;
    this.#drained.promise.catch(ignore);
    this.#wire.flush();
    return this.#drained.promise;
  }

  /** Sends a message piece by piece; whatever ends the connection meanwhile cancels its source. */
  async #writePieces(message: OutgoingMessage): Promise<void> {
    const { type } = message;
    const gathered: Uint8Array[] = [];
    let first = true;
    this.#piecewise = message;
    try {
      for await (const part of message.parts()) {
        this.#assertOpen();
        // a source may use its bytes again; and slice() of a Buffer does not copy
        if (this.#framing.sendPart === undefined) gathered.push(new Uint8Array(part));
        else {
          await this.#framing.sendPart(type, part, { first, last: false });
          first = false;
          const writing = this.#waitIfFull();
          if (writing === undefined) this.#wire.atEndOfTurn();
          else await writing;
        }
      }
      this.#assertOpen();
      const empty = new Uint8Array(0);
      // the drafts have no fragments
      if (this.#framing.sendPart === undefined) {
        void this.#framing.send(decodeUtf8(concat(gathered))!);
      } else await this.#framing.sendPart(type, empty, { first, last: true });
      await this.#framed(0);
    } catch (error) {
      message.cancel(error);
      if (!first || !this.#isOpen) throw error;
      // nothing of it has been sent: that is the sender's concern only
      message.failure = { error };
      this.#framed(0);
    } finally {
      this.#piecewise = undefined;
    }
  }

  /** All that was sent before the Close is framed. */
  #sayClose(): void {
    const { code, reason } = this.#lastWords!;
    this.#framing.close(code, reason);
    this.#refuseMore(this.#events.closedError());
    this.#wire.flush();
  }

  #refuseMore(error: Error): void {
    // a stream that is being aborted ends by itself
    this.#open(); // now at the latest: one that is made later could not be closed or aborted as one that has failed
    if (!this.#isAborted) this.#controller!.error(error);
    this.unframed = 0;
  }

  /** What still waits to be framed is given up. */
  #abort(): void {
    this.#queued = 0;
    if (this.#lastWords === undefined) this.#events.abort();
    else if (this.#isOpen) this.#sayClose();
  }

  /** Whether somebody has aborted `stream`. */
  get #isAborted(): boolean {
    return this.#exposed && this.#controller!.signal.aborted;
  }

  /** Whether what is framed can still be written. */
  get #isOpen(): boolean {
    return this.#framing.state === "open" && !this.#wire.closed;
  }

  #assertOpen(): void {
    if (!this.#isOpen) throw this.#events.closedError();
  }

  #assertCarries(isText: boolean): void {
    if (this.#framing.textOnly && !isText) {
      throw new TypeError(`Cannot send binary: ${this.#framing.version} carries text only`);
    }
  }
}

function ignore(): void {}
