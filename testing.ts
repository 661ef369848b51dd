/**
 * Connections in memory, to test handlers and servers of one's own: no sockets, no ports, no permission, and a real opening
 * handshake all the same. {@linkcode wsPair} makes both ends of one connection, a {@linkcode MemoryListener} takes the place of
 * the network for a whole server.
 *
 * @example Test a handler
 * ```ts
 * import { wsPair } from "@wsconn/ws/testing";
 * import type { WsConn } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * async function shout(conn: WsConn) {
 *   for await (const message of conn) await conn.send(String(message).toUpperCase());
 * }
 *
 * const { client, server } = await wsPair();
 * const handled = shout(server);
 * await client.send("hello");
 * assertEquals(await client.recv(), "HELLO");
 * await client.close();
 * await handled;
 * ```
 *
 * @module
 */
import { wsConnect, type WsConnectOptions } from "./client.ts";
import type { WsConn } from "./conn.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { wsAccept, type WsAcceptOptions } from "./server.ts";

/** So many bytes may wait to be read, as in a socket's buffers; then `write` waits. */
const CAPACITY = 64 * 1024;

/** What {@linkcode wsPair} can be told. */
export interface WsPairOptions {
  /** What the client asks for. Default: "ws://memory/". */
  url?: string | URL | undefined;
  /** The options of the client's end, as those of `wsConnect`. */
  client?: Omit<WsConnectOptions, "conn"> | undefined;
  /** The options of the server's end, as those of `wsAccept`. */
  server?: WsAcceptOptions | undefined;
}

/** Both ends of a connection. */
export interface WsPair {
  /** The end that has connected. */
  client: WsConn;
  /** The end that has accepted. */
  server: WsConn;
}

/**
 * Opens a connection to oneself, in memory: a handshake as between `wsConnect` and `wsAccept`
 * ({@link https://www.rfc-editor.org/rfc/rfc6455#section-4 | RFC 6455 §4}). Needs no permission.
 *
 * @param options What each end asks for.
 * @returns Both ends.
 * @throws {WsHandshakeError} If the server's end refuses the client's.
 * @throws What `wsConnect` and `wsAccept` throw if an option of theirs is wrong; what a function of the options throws.
 *
 * @example A subprotocol is agreed on
 * ```ts
 * import { wsPair } from "@wsconn/ws/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const { client, server } = await wsPair({
 *   url: "ws://memory/room/1",
 *   client: { protocols: ["chat"] },
 *   server: { protocols: ["chat"] },
 * });
 * assertEquals([server.line, server.protocol], ["GET /room/1 HTTP/1.1", "chat"]);
 * await client.close();
 * ```
 */
export async function wsPair(options: WsPairOptions = {}): Promise<WsPair> {
  using listener = new MemoryListener();
  const near = listener.connect();
  const far = await listener.accept();
  const url = options.url ?? "ws://memory/";
  const [client, server] = await Promise.allSettled([
    orClosed(near, wsConnect(url, { ...options.client, conn: near })),
    orClosed(far, wsAccept(far, options.server)),
  ]);
  if (client.status === "fulfilled" && server.status === "fulfilled") {
    return { client: client.value, server: server.value };
  }
  const [seen, cause] = [reasonOf(client), reasonOf(server)];
  // what the server's end refuses, the client's tells with the answer; what is thrown there, it sees as no more than a 500
  const isHidden = seen instanceof WsHandshakeError && cause !== undefined &&
    !(cause instanceof WsHandshakeError);
  throw isHidden ? cause : seen ?? cause;
}

function reasonOf(end: PromiseSettledResult<WsConn>): unknown {
  return end.status === "rejected" ? end.reason : undefined;
}

/** What one end becomes; or it is closed, so that the other does not wait for it. */
async function orClosed(end: Deno.Conn, opening: Promise<WsConn>): Promise<WsConn> {
  try {
    return await opening;
  } catch (error) {
    end.close();
    throw error;
  }
}

/**
 * A listener in memory, for `wsServe`'s option `listen`: what {@linkcode MemoryListener.connect} gives is the other end of
 * what it accepts. Needs no permission.
 *
 * @example Test a server with its routes
 * ```ts
 * import { MemoryListener } from "@wsconn/ws/testing";
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * const network = new MemoryListener();
 * await using server = wsServe((conn) => conn.send(`This is ${conn.url.pathname}`), {
 *   listen: () => network,
 * });
 * await using conn = await wsConnect("ws://memory/news", { conn: network.connect() });
 * assertEquals(await conn.recv(), "This is /news");
 * ```
 */
export class MemoryListener implements Deno.Listener {
  /** A name for what has none. */
  readonly addr: Deno.NetAddr = { transport: "tcp", hostname: "memory", port: 0 };
  readonly #waiting: Deno.Conn[] = [];
  #accepting: PromiseWithResolvers<Deno.Conn>[] = [];
  #closed = false;

  /**
   * Connects.
   *
   * @returns The connecting end.
   * @throws {Deno.errors.ConnectionRefused} If the listener is closed.
   */
  connect(): Deno.Conn {
    if (this.#closed) throw new Deno.errors.ConnectionRefused("The listener is closed");
    const up = new Pipe();
    const down = new Pipe();
    const accepted = new MemoryConn(up, down, this.addr);
    const next = this.#accepting.shift();
    if (next === undefined) this.#waiting.push(accepted);
    else next.resolve(accepted);
    return new MemoryConn(down, up, this.addr);
  }

  /**
   * Waits for the next connection.
   *
   * @returns The accepting end.
   * @throws {Deno.errors.BadResource} If the listener is closed, as that of `Deno.listen` does.
   */
  accept(): Promise<Deno.Conn> {
    if (this.#closed) return Promise.reject(listenerClosed());
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return Promise.resolve(waiting);
    const next = Promise.withResolvers<Deno.Conn>();
    this.#accepting.push(next);
    return next.promise;
  }

  /** Closes it, and what was not accepted. */
  close(): void {
    this.#closed = true;
    for (const conn of this.#waiting.splice(0)) conn.close();
    for (const { reject } of this.#accepting.splice(0)) reject(listenerClosed());
  }

  /** The connections as they come, until it is closed. */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Deno.Conn> {
    try {
      for (;;) yield await this.accept();
    } catch (error) {
      if (!this.#closed) throw error;
    }
  }

  /** Nothing keeps the program alive here. */
  ref(): void {}

  /** Nothing keeps the program alive here. */
  unref(): void {}

  /** Closes it, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function listenerClosed(): Error {
  return new Deno.errors.BadResource("Listener has been closed");
}

/** One direction of a connection: bytes that are written at one end and read at the other. */
class Pipe {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  #size = 0;
  /** No more is written; or read, and then all that is written fails. */
  #ended = false;
  #broken = false;
  #change = Promise.withResolvers<void>();

  /** Takes bytes into `buffer` as soon as there are any; `null` at the end. */
  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#size === 0 && !this.#ended && !this.#broken) await this.#change.promise;
    if (this.#broken) throw new Deno.errors.BadResource("The connection was closed");
    const first = this.#chunks[0];
    if (first === undefined) return null;
    const part = first.subarray(0, buffer.length);
    buffer.set(part);
    this.#size -= part.length;
    if (part.length === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(part.length);
    this.#changed();
    return part.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (this.#size >= CAPACITY && !this.#ended && !this.#broken) await this.#change.promise;
    if (this.#ended || this.#broken) throw new Deno.errors.BrokenPipe("The connection is closed");
    const part = bytes.slice(0, CAPACITY);
    if (part.length > 0) this.#chunks.push(part);
    this.#size += part.length;
    this.#changed();
    return part.length;
  }

  /** The end that writes is done: what it has written can still be read. */
  end(): void {
    this.#ended = true;
    this.#changed();
  }

  /** The end that reads is gone. */
  break(): void {
    this.#broken = true;
    this.#chunks.length = this.#size = 0;
    this.#changed();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** One end of a connection in memory. */
class MemoryConn implements Deno.Conn<Deno.NetAddr> {
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
  readonly #in: Pipe;
  readonly #out: Pipe;

  constructor(incoming: Pipe, outgoing: Pipe, addr: Deno.NetAddr) {
    this.#in = incoming;
    this.#out = outgoing;
    this.localAddr = this.remoteAddr = addr;
    this.readable = new ReadableStream({ pull: (controller) => this.#pull(controller) }, {
      highWaterMark: 0,
    });
    this.writable = new WritableStream({ write: (bytes) => this.#writeAll(bytes) });
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#in.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#out.write(bytes);
  }

  // deno-lint-ignore require-await -- as Deno's own
  async closeWrite(): Promise<void> {
    this.#out.end();
  }

  close(): void {
    this.#out.end();
    this.#in.break();
  }

  ref(): void {}

  unref(): void {}

  [Symbol.dispose](): void {
    this.close();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    const buffer = new Uint8Array(CAPACITY);
    const length = await this.read(buffer);
    if (length === null) controller.close();
    else controller.enqueue(buffer.subarray(0, length));
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) bytes = bytes.subarray(await this.write(bytes));
  }
}
