import {
  CloseCode,
  type CloseInfo,
  encodeClose,
  type Protocol,
  type ProtocolEvents,
  type SharedMessage,
  type Version,
  type WsMessage,
  type WsMessageType,
} from "./framing/mod.ts";
import type { WsMessageStream } from "./message_stream.ts";
import { type ConnLimits, messageSize } from "./options.ts";
import type { WsMessageSource } from "./outgoing_message.ts";
import { Session } from "./session.ts";
import type { WsConnStats } from "./stats.ts";

/** What a connection takes from the handshake that opened it. */
export interface WsOpening {
  /** The peer's first line: the request line on a server, the status line on a client. */
  line: string;
  /** The peer's headers. */
  headers: Headers;
  /** What the client has asked for. */
  url: URL;
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
 * Who ended a connection, as far as is known: "this side" with `close` or the streams; an error if the peer broke the
 * protocol or was lost; `undefined` if it sent a Close. For `wsReconnect`.
 */
export let endedBy: (conn: WsConn) => "this side" | Error | undefined;

/** For `broadcast`: sends a message that goes to others too. Returns whether it is taken. */
export let share: (conn: WsConn, message: SharedMessage) => boolean;
/** For `broadcast`: how much memory waits to be written on the connection, in bytes. */
export let held: (conn: WsConn) => number;
/** For `Hub`: calls `act` as soon as the connection is `closed`. Returns how to call that off. */
export let onClosed: (conn: WsConn, act: () => void) => () => void;

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

  readonly #session: Session;
  readonly #opening: WsOpening;

  static {
    endedBy = (conn) => conn.#session.endedBy;
    share = (conn, message) => conn.#session.outgoing.share(message);
    held = (conn) => conn.#session.outgoing.held;
    onClosed = (conn, act) => conn.#session.onClosed(act);
  }

  /**
   * Takes over a connection whose handshake is done. Use `wsConnect`, `wsServe` or `wsAccept` instead, which do it.
   *
   * @param transport The connection below.
   * @param opening What the handshake agreed on.
   * @param limits How to behave.
   */
  constructor(transport: Deno.Conn, opening: WsOpening, limits: ConnLimits) {
    this.line = opening.line;
    this.#opening = opening;
    this.protocol = opening.protocol;
    this.extensions = opening.extensions;
    this.localAddr = transport.localAddr;
    this.remoteAddr = transport.remoteAddr;
    this.#session = new Session(transport, (events) => opening.framing(events), limits);
    this.version = this.#session.framing.version;
    this.finished = this.#session.finished;
    this.#session.wire.begin(opening.rest);
  }

  /** The headers of the peer's handshake. */
  get headers(): Headers {
    return this.#opening.headers;
  }

  /**
   * What the client has asked for (RFC 6455 §3): on a server as the request line and Host name it, on a client where
   * redirects have led to, without user name and password.
   */
  get url(): URL {
    return new URL(this.#opening.url);
  }

  /** Whether this connection takes no more messages to send: closed, or being closed by either side. */
  get closed(): boolean {
    return this.#session.closed;
  }

  /**
   * How many bytes have been given to `send` and not yet to the operating system; of text that waits to be framed, how
   * many UTF-16 code units.
   */
  get bufferedAmount(): number {
    const { wire, framing, outgoing } = this.#session;
    return wire.closed ? 0 : framing.output.size + outgoing.unframed;
  }

  /**
   * What has passed over the connection so far, and the last round-trip time: a snapshot, made when it is asked for.
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
   * await conn.send("Grüße");
   * await conn.recv();
   * // a header of 2 bytes, and for the client 4 more of its mask
   * assertEquals(conn.stats.sent, { messages: 1, bytes: 7, wireBytes: 13 });
   * assertEquals(conn.stats.received, { messages: 1, bytes: 7, wireBytes: 9 });
   * ```
   */
  get stats(): WsConnStats {
    const { framing, wire, roundTripTime } = this.#session;
    return {
      sent: {
        messages: framing.messagesSent,
        bytes: framing.bytesSent,
        wireBytes: wire.bytesWritten,
      },
      received: {
        messages: framing.messagesReceived,
        bytes: framing.bytesReceived,
        wireBytes: wire.bytesRead,
      },
      roundTripTime,
    };
  }

  /**
   * The messages that arrive. `recv`, `ready` and iteration read from this very stream: while they are not waiting it
   * may be locked by a reader of your own, and they throw a `TypeError` as long as it is. Cancelling it closes the
   * connection.
   */
  get readable(): ReadableStream<WsMessage> {
    return this.#session.incoming.expose();
  }

  /**
   * Takes the messages to send. `send` writes to this very stream, and throws a `TypeError` as long as a writer of
   * your own has locked it. Closing it closes the connection with 1000, aborting it with 1011.
   */
  get writable(): WritableStream<WsMessage> {
    return this.#session.outgoing.expose();
  }

  /**
   * Receives the next message: a string for text, a `Uint8Array` for binary.
   *
   * @returns The message, or `null` once the connection was closed and all messages before that were taken.
   * @throws {WsProtocolError} If the peer broke the protocol.
   * @throws {WsConnectionLost} If the connection ended without a Close.
   */
  recv(): Promise<WsMessage | null> {
    return this.#session.incoming.recv();
  }

  /**
   * Receives the next message while it arrives: of any length, in constant memory. The peer is held back as long as the
   * stream is not read. What is received after it comes once the stream has been read to its end, or cancelled.
   *
   * A message longer than `maxMessageSize` that arrives while nobody receives waits to be asked for: `recv` refuses it.
   *
   * @param options `maxMessageSize`: the longest message that is taken, in bytes; a longer one ends the connection with
   * 1009. Default: any.
   * @returns The message, or `null` once the connection was closed and all messages before that were taken.
   * @throws {RangeError} If `maxMessageSize` is no number of bytes.
   * @throws {WsProtocolError} If the peer broke the protocol.
   * @throws {WsConnectionLost} If the connection ended without a Close.
   *
   * @example Write an upload to a file
   * ```ts
   * import { wsConnect, wsServe } from "@wsconn/ws";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempFile();
   * await using server = wsServe(async (conn) => {
   *   const upload = await conn.recvStream();
   *   const file = await Deno.create(path);
   *   await upload?.pipeTo(file.writable);
   *   await conn.send("saved");
   * }, { hostname: "127.0.0.1", port: 0 });
   *
   * await using conn = await wsConnect(server.url);
   * await conn.sendStream(new Blob(["a ", "file"]).stream(), { type: "binary" });
   * assertEquals(await conn.recv(), "saved");
   * assertEquals(await Deno.readTextFile(path), "a file");
   * ```
   */
  recvStream(options: { maxMessageSize?: number } = {}): Promise<WsMessageStream | null> {
    try {
      return this.#session.incoming.recvStream(messageSize(options.maxMessageSize, Infinity));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Waits until a message, or the end, can be received without waiting. Takes nothing, so that any number of
   * connections can be raced: `await Promise.race([a.ready(), b.ready()])`.
   */
  ready(): Promise<void> {
    return this.#session.incoming.ready();
  }

  /** The messages until the connection is closed. Leaving the loop leaves the connection open. */
  [Symbol.asyncIterator](): AsyncIterableIterator<WsMessage> {
    const { incoming } = this.#session;
    let left = false;
    const over = () => Promise.resolve({ value: undefined, done: true } as const);
    // what the reader gives is what iteration wants; a generator around `recv` takes half as long again
    return {
      next: () => left ? over() : incoming.next(),
      return: () => {
        left = true;
        return over();
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
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
    return this.#session.outgoing.send(message);
  }

  /**
   * Sends a message while it is made: of any length, in constant memory, as fragments (RFC 6455 §5.4) that leave as the
   * source gives them. Pings, Pongs and the answer to a Close pass between them; what is sent after it waits until its end,
   * as `close` does, no longer than `closeTimeout`. Resolves when all of it is accepted. (The drafts have no fragments: there it is gathered, and sent whole.)
   *
   * If the source fails before it has given anything, that is all; after that a message has begun that cannot be taken
   * back, and the connection is closed with 1011. If the connection ends first, the source is cancelled.
   *
   * @param source Gives the message: bytes, or for text also strings.
   * @param options `type`: whether it is text or binary.
   * @throws {TypeError} If the source is locked, gives something else, or a text that is not UTF-8.
   * @throws {WsConnectionClosed} If the connection is closed, or closes before all of the message is accepted.
   * @throws What the source throws.
   *
   * @example Send a file
   * ```ts
   * import { wsConnect, wsServe } from "@wsconn/ws";
   * import { assertEquals } from "@std/assert";
   *
   * const path = await Deno.makeTempFile();
   * await Deno.writeTextFile(path, "the file");
   * await using server = wsServe(async (conn) => {
   *   const file = await Deno.open(path);
   *   await conn.sendStream(file.readable, { type: "text" });
   * }, { hostname: "127.0.0.1", port: 0 });
   *
   * await using conn = await wsConnect(server.url);
   * assertEquals(await conn.recv(), "the file");
   * ```
   */
  sendStream(source: WsMessageSource, options: { type: WsMessageType }): Promise<void> {
    return this.#session.outgoing.sendStream(source, options.type);
  }

  /**
   * Sends a Ping (RFC 6455 §5.5.2) and waits for its Pong.
   *
   * @returns The round-trip time, in milliseconds.
   * @throws {TypeError} If the connection speaks a draft, which has no Ping.
   * @throws {WsConnectionClosed} If the connection is closed, or ends before the Pong arrives.
   */
  ping(): Promise<number> {
    if (this.version !== "rfc6455") {
      return Promise.reject(new TypeError(`Cannot ping: ${this.version} has no Ping`));
    }
    return this.#session.ping();
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
    return this.#session.close(code, reason);
  }

  /** Closes the connection with 1000, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
