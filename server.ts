/**
 * The server: {@linkcode wsServe}, and {@linkcode wsAccept} for a connection accepted by other means.
 *
 * @example
 * ```ts
 * import { wsServe } from "@wsconn/ws/server";
 * import { wsConnect } from "@wsconn/ws/client";
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
 *
 * @module
 */
import { type AcceptSettings, acceptSettings, answer, type WsAcceptOptions } from "./accept.ts";
import type { WsConn } from "./conn.ts";
import { report, WsConnectionClosed, WsConnectionLost } from "./errors.ts";
import { CloseCode, WsProtocolError } from "./framing/mod.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { formatRefusal } from "./handshake/http.ts";
import { Tally, type WsServerStats } from "./stats.ts";
import { closeGently, closeNow, saying, writeAll } from "./transport.ts";

export { type ConnHeaders, type RequestInfo, wsAccept, type WsAcceptOptions } from "./accept.ts";
export type { Origins } from "./handshake/origin.ts";
export {
  broadcast,
  type BroadcastOptions,
  type BroadcastResult,
  type SlowConsumers,
} from "./broadcast.ts";
export { type Bus, Hub, type HubOptions } from "./hub.ts";
export { WsConn, type WsOpening } from "./conn.ts";
export { WsConnectionClosed, WsConnectionLost } from "./errors.ts";
export { WsHandshakeError } from "./handshake/error.ts";
export {
  type CloseInfo,
  type WsMessage,
  type WsMessageType,
  WsProtocolError,
} from "./framing/mod.ts";
export type { CompressionOptions, DeflateSettings } from "./handshake/deflate.ts";
export { WsMessageStream } from "./message_stream.ts";
export type { ConnLimits, WsConnOptions } from "./options.ts";
export type { WsMessageSource } from "./outgoing_message.ts";
export type { Traffic, WsConnStats, WsServerStats } from "./stats.ts";

/** What a connection over the limit is told, in seconds: by then, a flood of openings has timed out by default. */
const RETRY_AFTER = 10;
/** How many connections over the limit may wait at once for their peers to read why; more are closed unanswered. */
const MAX_REFUSING = 128;
/** How long a connection over the limit is kept at most, in ms: it can be told only after its TLS handshake. */
const REFUSING_PATIENCE = 2000;

/**
 * Takes care of one connection. When the promise it returns settles, the connection is closed: with 1000, or with 1011
 * if it rejected. A handler that returns no promise leaves the connection open. `state` is what `connHeaders` gave.
 */
export type WsHandler<S = undefined> = (conn: WsConn, state: S) => void | Promise<void>;

/** What {@linkcode wsServe} can be told. */
export interface WsServeOptions<S = undefined> extends WsAcceptOptions<S> {
  /** The port to listen on; 0 takes a free one. Default: 80, or 443 with `cert`. */
  port?: number | undefined;
  /** The address to listen on. Default: "0.0.0.0", all of IPv4. */
  hostname?: string | undefined;
  /** The server's certificate chain (PEM): makes it a server of `wss:`. Goes with `key`. */
  cert?: string | undefined;
  /** The private key (PEM) of `cert`. */
  key?: string | undefined;
  /**
   * How many connections may wait to be accepted: the listen backlog, which the system may cut (Linux: at
   * net.core.somaxconn). Default: 511.
   */
  maxWaiting?: number | undefined;
  /**
   * Lets several processes listen on the same port (SO_REUSEPORT): Linux shares new connections out among those of one
   * user that all ask for it. A process that ends takes its own connections with it, those included that it had not
   * accepted yet; the others go on, and get all new ones. Needs `--unstable-net`, without which Deno ends the program.
   * Linux only: elsewhere Deno ignores it, and the second process finds the address taken. Default: false.
   */
  reusePort?: boolean | undefined;
  /**
   * How many connections are held at once, at least 1: those that are open or closing, and those whose request is still
   * being read or answered. One more is refused as soon as it is accepted, with 503 and `Retry-After: 10`; a flood of
   * them (over 128 at once) is closed without an answer. Default: Infinity, as many as the system has descriptors for.
   */
  maxConnections?: number | undefined;
  /**
   * Makes the listener, instead of `Deno.listen` or `Deno.listenTls`: for a Unix socket, a listener bound already, or one in
   * memory. Is given the address, the backlog and `reusePort` that were asked for.
   */
  listen?: ((options: Deno.TcpListenOptions) => Deno.Listener) | undefined;
  /** Shuts the server down when aborted, as `shutdown()` does. */
  signal?: AbortSignal | undefined;
  /** Is told the address once the server listens. */
  onListen?: ((addr: Deno.Addr) => void) | undefined;
  /**
   * Is told of every error that nobody else is: a handler's, a failed handshake's, the listener's. Default: prints a
   * handler's own errors, and says nothing of what a peer did wrong.
   */
  onError?: ((error: unknown) => void) | undefined;
  /** Answers requests that do not ask for a WebSocket, on the same port. Default: 426, Upgrade Required. */
  onRequest?: ((request: Request) => Response | Promise<Response>) | undefined;
}

/**
 * Serves WebSocket connections ({@link https://www.rfc-editor.org/rfc/rfc6455#section-4.2 | RFC 6455 §4.2}).
 * Needs the permission `--allow-net` for the address.
 *
 * @param handler Is called with each connection.
 * @param options Where to listen, TLS, subprotocols, limits, and what else to answer.
 * @returns The server, listening.
 * @throws {RangeError} If an option is out of range.
 * @throws {TypeError} If `cert` is given without `key`, or `key` without `cert`.
 * @throws {Deno.errors.AddrInUse} If the address is taken, and whatever else `Deno.listen` throws.
 *
 * @example Echo
 * ```ts
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe(async (conn) => {
 *   for await (const message of conn) await conn.send(message);
 * }, { hostname: "127.0.0.1", port: 0 });
 *
 * await using conn = await wsConnect(server.url);
 * await conn.send(Uint8Array.of(1, 2, 3));
 * assertEquals(await conn.recv(), Uint8Array.of(1, 2, 3));
 * ```
 */
export function wsServe<S>(
  handler: WsHandler<S>,
  options: WsServeOptions<S> & Required<Pick<WsServeOptions<S>, "connHeaders">>,
): WsServer;
/**
 * The same without `connHeaders`: the handler is given no state.
 *
 * @param handler Is called with each connection.
 * @param options Where to listen, TLS, subprotocols, limits, and what else to answer.
 * @returns The server, listening.
 *
 * @example
 * ```ts
 * import { wsServe } from "@wsconn/ws";
 *
 * await using server = wsServe((conn) => conn.send("welcome"), { hostname: "127.0.0.1", port: 0 });
 * ```
 */
export function wsServe(handler: WsHandler, options?: WsServeOptions): WsServer;
export function wsServe<S>(handler: WsHandler<S>, options: WsServeOptions<S> = {}): WsServer {
  return new WsServer(handler as WsHandler<unknown>, options as WsServeOptions<unknown>);
}

/**
 * A running server, made by {@linkcode wsServe}.
 *
 * @example
 * ```ts
 * import { wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * const server = wsServe(() => {}, { hostname: "127.0.0.1", port: 0 });
 * assertEquals(server.connections.size, 0);
 * await server.shutdown();
 * ```
 */
export class WsServer implements AsyncDisposable {
  /** The address that the server listens on. */
  readonly addr: Deno.Addr;
  /** Settles when the server has shut down; never rejects. */
  readonly finished: Promise<void>;

  readonly #handler: WsHandler<unknown>;
  readonly #options: WsServeOptions<unknown>;
  readonly #settings: AcceptSettings<unknown>;
  readonly #listener: Deno.Listener;
  readonly #secure: boolean;
  readonly #maxConnections: number;
  readonly #connections = new Set<WsConn>();
  /** Connections that are no WebSockets yet: whether their request is still being read, or is being answered. */
  readonly #opening = new Map<Deno.Conn, "reading" | "answering">();
  /** Those over the limit, which are being told. */
  readonly #refusing = new Set<Deno.Conn>();
  /** Those that shutting down has closed, which is nobody's error. */
  readonly #cutOff = new Set<Deno.Conn>();
  /** What is not over: handshakes, connections and handlers; and who waits for the last of them. */
  #unfinished = 0;
  #allOver: (() => void) | undefined;
  readonly #tally = new Tally();
  readonly #onAbort = () => void this.shutdown();
  #shutdown: Promise<void> | undefined;
  readonly #finish: () => void;

  /**
   * Use {@linkcode wsServe}.
   *
   * @param handler Is called with each connection.
   * @param options As those of {@linkcode wsServe}.
   */
  constructor(handler: WsHandler<unknown>, options: WsServeOptions<unknown>) {
    const { hostname = "0.0.0.0", cert, key, signal, maxConnections = Infinity } = options;
    this.#handler = handler;
    this.#options = options;
    this.#settings = acceptSettings(options);
    this.#secure = cert !== undefined && key !== undefined;
    if (!this.#secure && (cert ?? key) !== undefined) {
      throw new TypeError(`Cannot serve TLS with only "${cert ? "cert" : "key"}": it takes both`);
    }
    if (!(maxConnections >= 1)) {
      throw new RangeError(`maxConnections must be at least 1: current value is ${maxConnections}`);
    }
    this.#maxConnections = maxConnections;
    signal?.throwIfAborted();
    const where = {
      hostname,
      port: options.port ?? (this.#secure ? 443 : 80),
      tcpBacklog: options.maxWaiting ?? 511,
      reusePort: options.reusePort ?? false,
    };
    try {
      this.#listener = options.listen !== undefined
        ? options.listen(where)
        : cert !== undefined && key !== undefined
        ? Deno.listenTls({ ...where, cert, key })
        : Deno.listen(where);
    } catch (error) {
      throw saying(`Cannot listen on ${hostname}:${where.port}`, error);
    }
    this.addr = this.#listener.addr;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#finish = resolve;
    signal?.addEventListener("abort", this.#onAbort);
    void this.#acceptAll();
    try {
      options.onListen?.(this.addr);
    } catch (error) {
      void this.shutdown();
      throw error;
    }
    void import("./handshake/challenge.ts"); // in time for the first client
  }

  /** The connections that are open, or closing. */
  get connections(): ReadonlySet<WsConn> {
    return this.#connections;
  }

  /**
   * What the server has done so far: a snapshot, made when it is asked for, in a time that grows with the connections
   * that are open. Those that have ended are counted in.
   *
   * @example
   * ```ts
   * import { wsConnect, wsServe } from "@wsconn/ws";
   * import { assertEquals } from "@std/assert";
   *
   * const server = wsServe((conn) => conn.send("hello"), { hostname: "127.0.0.1", port: 0 });
   * const conn = await wsConnect(server.url);
   * await conn.recv();
   * await conn.finished;
   * await server.shutdown();
   * const { accepted, open, sent } = server.stats;
   * assertEquals([accepted, open, sent.messages, sent.bytes], [1, 0, 1, 5]);
   * ```
   */
  get stats(): WsServerStats {
    return this.#tally.stats(this.#connections);
  }

  /** The URL of the server as seen from this machine, such as "ws://127.0.0.1:8080/". */
  get url(): string {
    const { hostname = "localhost", port = 0 } = this.addr as Partial<Deno.NetAddr>;
    const host = hostname === "0.0.0.0" || hostname === "::"
      ? "localhost"
      : hostname.includes(":")
      ? `[${hostname}]`
      : hostname;
    return `${this.#secure ? "wss" : "ws"}://${host}:${port}/`;
  }

  /**
   * Shuts the server down: stops accepting, closes every connection with 1001, and waits until their handlers and
   * connections have ended, the handlers no longer than `closeTimeout`.
   */
  shutdown(): Promise<void> {
    return this.#shutdown ??= this.#shutDown();
  }

  /** Shuts the server down, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #shutDown(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    closeNow(this.#listener);
    for (const [conn, doing] of this.#opening) if (doing === "reading") this.#cut(conn);
    for (const conn of this.#connections) void conn.close(CloseCode.GoingAway, "Server shutdown");
    if (this.#unfinished > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#allOver = resolve;
      const timer = setTimeout(resolve, this.#settings.limits.closeTimeout * 1000);
      await promise;
      clearTimeout(timer);
    }
    for (const conn of this.#opening.keys()) this.#cut(conn);
    this.#refusing.forEach(closeNow);
    await Promise.all(Array.from(this.#connections, (conn) => conn.finished));
    this.#finish();
  }

  #cut(conn: Deno.Conn): void {
    this.#cutOff.add(conn);
    closeNow(conn);
  }

  async #acceptAll(): Promise<void> {
    while (this.#shutdown === undefined) {
      try {
        const conn = await this.#listener.accept();
        const taken = this.#connections.size + this.#opening.size;
        this.#unfinished++;
        void (taken < this.#maxConnections ? this.#open(conn) : this.#refuse(conn));
      } catch (error) {
        if (this.#shutdown !== undefined) return;
        if (isGone(error)) {
          const message = "The client reset the connection before it was accepted";
          this.#tally.refused++;
          this.#report(new WsHandshakeError(400, message, { cause: error }));
          continue; // which is no reason to let the next one wait
        }
        this.#report(error);
        if (error instanceof Deno.errors.BadResource) return void this.shutdown(); // the listener is gone
        // out of file descriptors, most likely: connections have to end before another can be accepted
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** One of the `#unfinished` is over. */
  #over(): void {
    if (--this.#unfinished === 0) this.#allOver?.();
  }

  /** The opening handshake of one connection; never rejects. */
  async #open(transport: Deno.Conn): Promise<void> {
    this.#opening.set(transport, "reading");
    try {
      const answered = await answer(transport, this.#settings, {
        onRequest: this.#options.onRequest,
        onRead: () => this.#opening.set(transport, "answering"),
      });
      this.#opening.delete(transport);
      if (answered.conn !== undefined) this.#serve(answered.conn, answered.state);
      else if (answered.refused) this.#tally.refused++;
    } catch (error) {
      this.#opening.delete(transport);
      this.#tally.refused++;
      if (!this.#cutOff.has(transport)) this.#report(error);
    }
    this.#over();
  }

  /** All about an open connection. Waits for nothing: a frame that waits for as long as it is open would take 1 KB. */
  #serve(conn: WsConn, state: unknown): void {
    this.#connections.add(conn);
    this.#tally.accepted++;
    this.#unfinished++;
    void conn.finished.then(() => {
      this.#connections.delete(conn);
      this.#tally.ended(conn);
      this.#over();
    });
    if (this.#shutdown !== undefined) {
      return void conn.close(CloseCode.GoingAway, "Server shutdown");
    }
    this.#unfinished++;
    const done = () => {
      void conn.close();
      this.#over();
    };
    const failed = (error: unknown) => {
      void conn.close(CloseCode.InternalError);
      this.#report(error);
      this.#over();
    };
    try {
      const handled = this.#handler(conn, state);
      if (handled === undefined) this.#over();
      else void Promise.resolve(handled).then(done, failed);
    } catch (error) {
      failed(error);
    }
  }

  /** Refuses a connection over the limit without reading its request; never rejects. */
  async #refuse(transport: Deno.Conn): Promise<void> {
    this.#tally.refused++;
    const message = `The server is full: maxConnections is ${this.#maxConnections}`;
    const error = new WsHandshakeError(503, message, {
      headers: { "Retry-After": `${RETRY_AFTER}` },
    });
    this.#report(error);
    if (this.#refusing.size >= MAX_REFUSING) {
      closeNow(transport);
      return this.#over();
    }
    this.#refusing.add(transport);
    const timer = setTimeout(() => closeNow(transport), REFUSING_PATIENCE);
    try {
      await writeAll(transport, formatRefusal(error));
      await closeGently(transport);
    } catch {
      // the peer is gone, or its time is up
    } finally {
      clearTimeout(timer);
      closeNow(transport);
      this.#refusing.delete(transport);
      this.#over();
    }
  }

  #report(error: unknown): void {
    report(this.#options.onError ?? printBugs, error);
  }
}

/** Whether accepting failed because of the one connection that was to be accepted. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.ConnectionAborted;
}

/** The default `onError`. */
function printBugs(error: unknown): void {
  const byPeer = error instanceof WsHandshakeError || error instanceof WsProtocolError ||
    error instanceof WsConnectionLost || error instanceof WsConnectionClosed;
  if (!byPeer) console.error(error);
}
