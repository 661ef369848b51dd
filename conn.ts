import { connectionLost, WsConnectionClosed } from "./errors.ts";
import {
  CloseCode,
  type CloseInfo,
  encodeClose,
  type Protocol,
  type ProtocolEvents,
  type Version,
  type WsMessage,
} from "./framing/mod.ts";
import { unwatch, type Watch, watch } from "./idle.ts";
import type { ConnLimits } from "./options.ts";
import { Pings } from "./pings.ts";
import { Wire } from "./wire.ts";

/** Unread messages up to which the connection reads ahead, and unwritten bytes up to which a send does not wait. */
const HIGH_WATER = 64 * 1024;
/** What a message weighs in a queue besides its content, so that empty ones cannot pile up without end. */
const MESSAGE_WEIGHT = 32;

/** What a connection takes from the handshake that opened it. */
export interface WsOpening {
  /** The peer's first line: the request line on a server, the status line on a client. */
  line: string;
  /** The peer's headers. */
  headers: Headers;
  /** The subprotocol agreed on, or "". */
  protocol: string;
  /** The extensions agreed on, or "". */
  extensions: string;
  /** What the peer sent right behind its handshake. */
  rest: Uint8Array;
  /** Makes the framing agreed on. */
  framing(events: ProtocolEvents): Protocol;
}

/**
 * One WebSocket connection, on either side: `recv` and `send`, or the pair of streams they are made of.
 *
 * The connection reads ahead up to 64 KiB of unread messages, so that Pings are answered and the peer's Close is seen
 * while a handler is busy; past that it stops reading and TCP holds the peer back. `send` resolves at once as long as
 * less than 64 KiB wait to be written, and then waits until they are.
 *
 * Made by `wsConnect`, `wsServe` and `wsAccept`.
 *
 * @example
 * ```ts
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe(async (conn) => {
 *   for await (const message of conn) await conn.send(message);
 * }, { hostname: "127.0.0.1", port: 0 });
 *
 * await using conn = await wsConnect(server.url);
 * await conn.send("hello");
 * assertEquals(await conn.recv(), "hello");
 * ```
 */
export class WsConn implements AsyncDisposable {
  /** The peer's first line: the request line on a server, the status line on a client. */
  readonly line: string;
  /** The headers of the peer's handshake. */
  readonly headers: Headers;
  /** Which protocol the connection speaks. */
  readonly version: Version;
  /** The subprotocol agreed on, or "" (RFC 6455 §1.9). */
  readonly protocol: string;
  /** The extensions agreed on, or "" (RFC 6455 §9). */
  readonly extensions: string;
  /** The address of this end. */
  readonly localAddr: Deno.Addr;
  /** The address of the other end. */
  readonly remoteAddr: Deno.Addr;
  /**
   * How the connection ended; settles when TCP is closed, and never rejects. `code` is 1005 if the peer's Close had
   * none, and 1006 if there was no Close (RFC 6455 §7.1.5).
   */
  readonly finished: Promise<CloseInfo>;

  readonly #wire: Wire;
  readonly #framing: Protocol;
  readonly #closeTimeout: number;
  /** What is done when nothing arrives: a Ping, and in the end a Close. */
  readonly #watches: Watch[] = [];
  /** Whether the streams have ended: either side has closed, failed or lost the connection. */
  #closed = false;
  readonly #finish: (info: CloseInfo) => void;

  readonly #readable: ReadableStream<WsMessage>;
  #incoming!: ReadableStreamDefaultController<WsMessage>;
  #reader: ReadableStreamDefaultReader<WsMessage> | undefined;
  #recvPending = 0;
  /** Whether what was decoded last contained messages. */
  #delivered = false;
  /** Whether messages have been delivered since output was last written on their account. */
  #answerDue = false;
  /** Settles when the stream need not be pulled for more: it has enough, or there is no more. */
  #pulling: PromiseWithResolvers<void> | undefined;
  /** What `recv` throws once the messages before it are taken. */
  #failure: Error | undefined;
  #readiness: PromiseWithResolvers<void> | undefined;

  readonly #writable: WritableStream<WsMessage>;
  #outgoing!: WritableStreamDefaultController;
  #writer: WritableStreamDefaultWriter<WsMessage> | undefined;
  /** What was given to `#writable` and is not framed yet: how many messages, and their lengths. */
  #queued = 0;
  #unframed = 0;
  /** The Close that goes out behind the messages that were sent before it. */
  #lastWords: { code: number; reason: string } | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  readonly #pings = new Pings();

  /**
   * Takes over a connection whose handshake is done. Use `wsConnect`, `wsServe` or `wsAccept` instead, which do it.
   *
   * @param transport The connection below.
   * @param opening What the handshake agreed on.
   * @param limits How to behave.
   */
  constructor(transport: Deno.Conn, opening: WsOpening, limits: ConnLimits) {
    this.line = opening.line;
    this.headers = opening.headers;
    this.protocol = opening.protocol;
    this.extensions = opening.extensions;
    this.localAddr = transport.localAddr;
    this.remoteAddr = transport.remoteAddr;
    const { promise, resolve } = Promise.withResolvers<CloseInfo>();
    this.finished = promise;
    this.#finish = resolve;
    this.#closeTimeout = limits.closeTimeout;
    this.#readable = new ReadableStream({
      start: (controller) => {
        this.#incoming = controller;
      },
      pull: () => this.#pull(),
      cancel: async () => {
        await this.close();
      },
    }, { highWaterMark: HIGH_WATER, size: weigh });
    this.#writable = new WritableStream({
      start: (controller) => {
        this.#outgoing = controller;
        // at once: the stream itself would first wait for a write that a stalled peer holds up
        controller.signal.addEventListener("abort", () => this.#abort());
      },
      write: (message) => this.#write(message),
      close: async () => {
        await this.close();
      },
      abort: async () => {
        await this.finished;
      },
    }, {
      highWaterMark: HIGH_WATER,
      size: (message) => {
        this.#queued++;
        if (!isMessage(message)) return 0; // refused when its turn comes
        this.#unframed += message.length;
        return weigh(message);
      },
    });
    this.#framing = opening.framing({
      message: (message) => {
        if (this.#closed) return;
        this.#delivered = this.#answerDue = true;
        this.#incoming.enqueue(message);
      },
      pong: (payload) => this.#pings.answered(payload),
    });
    this.version = this.#framing.version;
    this.#wire = new Wire(transport, this.#framing, {
      wantsMore: () => this.#wantsMore(),
      decoded: () => this.#decoded(),
      drained: () => this.#drain(),
      ended: (cause) => this.#ended(cause),
    });
    this.#watchSilence(limits);
    this.#wire.receive(opening.rest);
  }

  /** Whether this connection takes no more messages to send: closed, or being closed by either side. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * How many bytes have been given to `send` and not yet to the operating system; of text that waits to be framed, how
   * many UTF-16 code units.
   */
  get bufferedAmount(): number {
    return this.#wire.closed ? 0 : this.#framing.output.size + this.#unframed;
  }

  /**
   * The messages that arrive. `recv`, `ready` and iteration read from this very stream: while they are not waiting it
   * may be locked by a reader of your own, and they throw a `TypeError` as long as it is. Cancelling it closes the
   * connection.
   */
  get readable(): ReadableStream<WsMessage> {
    if (this.#recvPending === 0) {
      this.#reader?.releaseLock();
      this.#reader = undefined;
    }
    return this.#readable;
  }

  /**
   * Takes the messages to send. `send` writes to this very stream, and throws a `TypeError` as long as a writer of
   * your own has locked it. Closing it closes the connection with 1000, aborting it with 1011.
   */
  get writable(): WritableStream<WsMessage> {
    this.#writer?.releaseLock();
    this.#writer = undefined;
    return this.#writable;
  }

  /**
   * Receives the next message: a string for text, a `Uint8Array` for binary.
   *
   * @returns The message, or `null` once the connection was closed and all messages before that were taken.
   * @throws {WsProtocolError} If the peer broke the protocol.
   * @throws {WsConnectionLost} If the connection ended without a Close.
   */
  recv(): Promise<WsMessage | null> {
    if (this.#reader === undefined) {
      try {
        this.#reader = this.#readable.getReader();
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (this.#incoming.desiredSize === HIGH_WATER) this.#wire.runDry();
    this.#recvPending++;
    return this.#reader.read().then(this.#received, this.#receiveFailed);
  }

  readonly #received = ({ value, done }: ReadableStreamReadResult<WsMessage>): WsMessage | null => {
    this.#recvPending--;
    return done ? null : value;
  };

  readonly #receiveFailed = (error: unknown): never => {
    this.#recvPending--;
    throw error;
  };

  /**
   * Waits until a message, or the end, can be received without waiting. Takes nothing, so that any number of
   * connections can be raced: `await Promise.race([a.ready(), b.ready()])`.
   */
  ready(): Promise<void> {
    // an empty queue of an open stream desires exactly as much as it can hold
    if (this.#incoming.desiredSize !== HIGH_WATER) return Promise.resolve();
    this.#wire.runDry();
    this.#readiness ??= Promise.withResolvers();
    return this.#readiness.promise;
  }

  /** The messages until the connection is closed. Leaving the loop leaves the connection open. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<WsMessage> {
    for (let message; (message = await this.recv()) !== null;) yield message;
  }

  /**
   * Sends a message: a string as text, a `Uint8Array` as binary (RFC 6455 §5.6). Resolves as soon as the message is
   * accepted, and waits while more than 64 KiB are not written yet. Bytes must stay as they are until then.
   *
   * @param message The message.
   * @throws {TypeError} If it is neither a string nor a `Uint8Array`, or `writable` is locked.
   * @throws {WsConnectionClosed} If the connection is closed, or closes before the message is accepted.
   */
  send(message: WsMessage): Promise<void> {
    try {
      this.#assertSendable(message);
      if (this.#closed) throw this.#closedError();
      this.#writer ??= this.#writable.getWriter();
    } catch (error) {
      return Promise.reject(error);
    }
    const accepted = this.#writer.write(message);
    accepted.catch(ignore); // a send that nobody awaits must not end the program when the peer goes away
    return accepted;
  }

  /**
   * Sends a Ping (RFC 6455 §5.5.2) and waits for its Pong.
   *
   * @returns The round-trip time, in milliseconds.
   * @throws {TypeError} If the connection speaks a draft, which has no Ping.
   * @throws {WsConnectionClosed} If the connection is closed, or ends before the Pong arrives.
   */
  ping(): Promise<number> {
    if (this.#closed) return Promise.reject(this.#closedError());
    if (this.version !== "rfc6455") {
      return Promise.reject(new TypeError(`Cannot ping: ${this.version} has no Ping`));
    }
    const { payload, pong } = this.#pings.next();
    this.#framing.ping(payload);
    this.#wire.flush();
    return pong;
  }

  /**
   * Closes the connection (RFC 6455 §7.1.2): sends Close, discards what still arrives, and waits for the peer's Close,
   * no longer than `closeTimeout`. What was sent before goes out first; messages that have arrived can still be
   * received. On a connection that is closed already it only waits for the end.
   *
   * @param code Why: 1000–1003, 1007–1014 or 3000–4999; or 1005 to give no code. Default: 1000.
   * @param reason More about it, at most 123 bytes of UTF-8. Default: "".
   * @returns How the connection ended, as {@linkcode finished}.
   * @throws {RangeError} If the code may not be sent, or the reason is too long.
   */
  close(code: number = CloseCode.Normal, reason = ""): Promise<CloseInfo> {
    try {
      encodeClose(code, reason); // throws, whatever the state, if the arguments are wrong
    } catch (error) {
      return Promise.reject(error);
    }
    if (!this.#closed) {
      this.#endReadable();
      this.#lastWords = { code, reason };
      if (this.#queued === 0) this.#sayClose();
      this.#wire.awaitEnd(this.#closeTimeout);
    }
    return this.finished;
  }

  /** Closes the connection with 1000, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // The way in

  /** The source of `#readable`: reads until enough messages wait, and hands a failure over behind the last of them. */
  #pull(): Promise<void> | undefined {
    if (this.#failure !== undefined) {
      if (this.#incoming.desiredSize === HIGH_WATER) this.#incoming.error(this.#failure);
      return undefined;
    }
    this.#pulling = Promise.withResolvers();
    this.#wire.readOn();
    return this.#pulling.promise;
  }

  #pulled(): void {
    this.#pulling?.resolve();
    this.#pulling = undefined;
  }

  #wantsMore(): boolean {
    if (this.#closed || this.#incoming.desiredSize! > 0) return true;
    this.#pulled(); // back-pressure: the stream pulls again when there is room
    return false;
  }

  #watchSilence({ timeout, pingInterval, pingTimeout }: ConnLimits): void {
    const after = (seconds: number, act: () => void) => {
      if (seconds === 0) return;
      // silence on a connection that is not read from, because its messages are not taken, means nothing
      const onIdle = () => this.#pulling !== undefined && act();
      this.#watches.push(watch(seconds * 1000, onIdle));
    };
    after(timeout, () => void this.close(CloseCode.GoingAway, `Nothing arrived for ${timeout} s`));
    if (pingInterval === 0 || this.version !== "rfc6455") return;
    after(pingInterval, () => {
      this.#framing.ping(new Uint8Array(0));
      this.#wire.flush();
    });
    if (pingTimeout === 0) return;
    const reason =
      `No answer to a Ping for ${pingTimeout} s: peer or network is gone, or pingTimeout too short`;
    after(pingInterval + pingTimeout, () => void this.close(CloseCode.InternalError, reason));
  }

  #decoded(): boolean {
    for (const watch of this.#watches) watch.heard = true;
    if (this.#framing.state !== "open" && !this.#closed) {
      this.#leave(this.#framing.error);
      this.#wire.awaitEnd(this.#closeTimeout);
    }
    this.#wakeReady();
    const delivered = this.#delivered;
    this.#delivered = false;
    return delivered;
  }

  #wakeReady(): void {
    if (this.#readiness !== undefined && this.#incoming.desiredSize !== HIGH_WATER) {
      this.#readiness.resolve();
      this.#readiness = undefined;
    }
  }

  // The way out

  /** The sink of `#writable`: frames the message, and waits when too much is not written yet. */
  #write(message: WsMessage): Promise<void> | undefined {
    const { output } = this.#framing;
    this.#queued--;
    try {
      this.#assertSendable(message);
      this.#unframed -= message.length;
      if (this.#framing.state !== "open") throw this.#closedError();
      this.#framing.send(message);
    } catch (error) {
      // an error here is the end of the stream, so it is the end of the connection too
      this.#abort();
      throw error;
    }
    if (this.#queued === 0 && this.#lastWords !== undefined) this.#sayClose();
    if (output.size >= HIGH_WATER || output.borrowed > 0) {
      this.#drained = Promise.withResolvers();
      this.#drained.promise.catch(ignore);
      this.#wire.flush();
      return this.#drained.promise;
    }
    // The answer to the last message that has arrived leaves at once; what follows it gathers.
    if (this.#answerDue && this.#incoming.desiredSize === HIGH_WATER) {
      this.#answerDue = false;
      this.#wire.flush();
    } else this.#wire.atEndOfTurn();
  }

  #assertSendable(message: unknown): asserts message is WsMessage {
    if (!isMessage(message)) {
      const type = Object.prototype.toString.call(message).slice(8, -1);
      throw new TypeError(
        `Cannot send a message of type ${type}: it must be a string or a Uint8Array`,
      );
    }
    if (this.#framing.textOnly && typeof message !== "string") {
      throw new TypeError(`Cannot send binary: ${this.version} carries text only`);
    }
  }

  /** All that was sent before the Close is framed. */
  #sayClose(): void {
    const { code, reason } = this.#lastWords!;
    this.#framing.close(code, reason);
    this.#endWritable();
    this.#wire.flush();
  }

  /** What still waits to be framed is given up. */
  #abort(): void {
    this.#queued = 0;
    if (!this.#closed) void this.close(CloseCode.InternalError);
    else if (this.#lastWords !== undefined && this.#framing.state === "open") this.#sayClose();
  }

  #drain(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  // The end of life

  /** Ends both streams: the peer has closed, or the connection has failed or is lost. */
  #leave(failure?: Error): void {
    this.#endReadable(failure);
    this.#endWritable(failure);
  }

  #endReadable(failure?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    if (failure === undefined) closeQuietly(this.#incoming);
    else {
      this.#failure = failure;
      void this.#pull();
    }
    this.#pulled();
    this.#watches.forEach(unwatch);
    this.#wakeReady();
  }

  #endWritable(failure?: Error): void {
    // a stream that is being aborted ends by itself
    if (!this.#outgoing.signal.aborted) this.#outgoing.error(this.#closedError(failure));
    this.#unframed = 0;
  }

  /** TCP is closed: settles everything that is still pending. */
  #ended(cause: unknown): void {
    this.#leave(this.#framing.received === undefined ? connectionLost(cause) : undefined);
    this.#drained?.reject(this.#closedError());
    this.#pings.end(this.#closedError());
    this.#finish(this.#closeInfo());
  }

  #closeInfo(): CloseInfo {
    const { received, state, error } = this.#framing;
    // RFC 6455 §7.1.4 and §7.1.5
    return received === undefined
      ? { code: CloseCode.Abnormal, reason: "", wasClean: false }
      : { ...received, wasClean: state === "closed" && error === undefined };
  }

  #closedError(cause?: Error): WsConnectionClosed {
    const info = this.#framing.received === undefined ? undefined : this.#closeInfo();
    return new WsConnectionClosed(info, cause === undefined ? undefined : { cause });
  }
}

function isMessage(x: unknown): x is WsMessage {
  return typeof x === "string" || x instanceof Uint8Array;
}

function weigh(message: WsMessage): number {
  return message.length + MESSAGE_WEIGHT;
}

function ignore(): void {}

/** Closes a stream that may have been cancelled already. */
function closeQuietly(controller: ReadableStreamDefaultController): void {
  try {
    controller.close();
  } catch {
    // cancelled
  }
}
