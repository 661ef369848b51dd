import { wsConnect, type WsConnectOptions } from "./client.ts";
import { endedBy, type WsConn } from "./conn.ts";
import { WsConnectionClosed, WsConnectionLost } from "./errors.ts";
import {
  delayBefore,
  isOrderly,
  mayPass,
  retryAfter,
  retrySettings,
  type WsRetryOptions,
} from "./retry.ts";

/** What {@linkcode wsReconnect} can be told: what `wsConnect` can, but for `conn`, and when to try again. */
export interface WsReconnectOptions extends Omit<WsConnectOptions, "conn"> {
  /** When to try again, and how often. */
  retry?: WsRetryOptions | undefined;
  /**
   * Ends the loop when aborted, at any stage: while it waits, while it connects, and while a connection is open, which is
   * then closed. The loop throws the signal's reason.
   */
  signal?: AbortSignal | undefined;
  /** Is told of each connection when it is open. What it throws ends the loop. */
  onOpen?: ((conn: WsConn) => void) | undefined;
  /** Is told of each retry before the delay. What it throws ends the loop. */
  onRetry?: ((retry: WsRetry) => void) | undefined;
}

/** A retry that is about to be made. */
export interface WsRetry {
  /** How many there have been since a connection last held, this one included: from 1. */
  readonly attempt: number;
  /** How long it will be waited, in seconds. */
  readonly delay: number;
  /**
   * Why: the error of `wsConnect`, a `WsConnectionLost`, or a `WsConnectionClosed` with the peer's Close as
   * `closeInfo`.
   */
  readonly cause: unknown;
}

/** Where to connect to, and with what: options that count for one attempt, before those of the loop. */
export interface WsReconnectTarget extends Omit<WsConnectOptions, "conn" | "signal"> {
  /** Where to, as in `wsConnect`. */
  url: string | URL;
}

/** Where `wsReconnect` connects to: a URL, or a function that is asked before each attempt, for a token that expires. */
export type WsReconnectUrl =
  | string
  | URL
  | (() => string | URL | WsReconnectTarget | Promise<string | URL | WsReconnectTarget>);

/**
 * Keeps a connection: opens one, gives it to the loop, waits for its end, and opens another, for as long as that may
 * succeed. Needs the permission `--allow-net` for the server.
 *
 * **A turn of the loop lasts as long as its connection.** When the body comes round while the connection is open, the loop
 * waits for its end, so that something else may go on using it. Somebody has to go on receiving: a connection whose
 * messages nobody takes holds its peer back, and its end behind them is not seen. `break`, `return` and `throw` leave the
 * loop and close the connection with 1000, and have it wait for the peer as `close` does.
 *
 * **How it ends.** The loop comes to its end when this side closes the connection, or the peer does with 1000 or without a
 * code. It goes on, after a delay, when the connection cannot be made or ends for a reason that may pass: the server is
 * not found, not there or does not answer; it refuses with 408, 429 or 5xx; the connection is lost; the peer closes it
 * with 1001, 1012 or 1013. In all other cases, and after `maxRetries`, it throws: what `wsConnect` threw, a
 * `WsConnectionClosed` with the peer's Close as `closeInfo`, or a `WsProtocolError`. (A misspelt name cannot be told from a
 * network that is down, but by who reads what `onRetry` is told.)
 *
 * **Errors in the body** leave the loop, as in any `for await`: an iterator cannot catch them. So a lost connection is no
 * error to whoever receives: `recv` gives `null` (see `whenLost`), the body comes round, and the loop sees to the
 * loss. Whoever sends is told by a `WsConnectionClosed`, which a body that only answers may meet as well. Give such a
 * body as a `handler`: there the end of its connection is not an error.
 *
 * @param url Where to, as in `wsConnect`; or a function that is asked before each attempt.
 * @param options Those of `wsConnect`, and `retry`, `onOpen`, `onRetry`.
 * @returns The connections, one after the other.
 * @throws {SyntaxError} If the URL is not one of a WebSocket, from the loop, as all errors.
 * @throws {TypeError} If `conn` is among the options: it can be used only once.
 * @throws {RangeError} If an option is out of range.
 * @throws The reason of `signal`, and what ends the loop, as above.
 *
 * @example A server that goes away and comes back
 * ```ts
 * import { type WsMessage, wsReconnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * const greet = (port: number) =>
 *   wsServe((conn) => void conn.send("welcome"), { hostname: "127.0.0.1", port });
 * let server = greet(0);
 * const { port } = server.addr as Deno.NetAddr;
 *
 * const heard: WsMessage[] = [];
 * for await (const conn of wsReconnect(server.url, { retry: { firstDelay: 0.1 } })) {
 *   for await (const message of conn) {
 *     heard.push(message);
 *     if (heard.length === 1) void server.shutdown(); // closes the connection with 1001
 *     else await conn.close();
 *   }
 *   if (heard.length === 1) server = greet(port);
 * }
 * assertEquals(heard, ["welcome", "welcome"]);
 * await server.shutdown();
 * ```
 */
export function wsReconnect(
  url: WsReconnectUrl,
  options?: WsReconnectOptions,
): AsyncIterableIterator<WsConn>;
/**
 * Keeps a connection, and calls `handler` with each that is made, as `wsServe` does: when the promise that it returns
 * fulfils, the connection is closed with 1000, and the loop ends; one that returns no promise leaves it open. The end of
 * the connection is not an error in it: what it throws because the connection was lost or closed, a `WsConnectionClosed` from
 * `send` above all, ends its turn; anything else leaves the loop, as `throw` does.
 *
 * @param url Where to, as in `wsConnect`; or a function that is asked before each attempt.
 * @param options Those of `wsConnect`, and `retry`, `onOpen`, `onRetry`.
 * @param handler Is called with each connection.
 * @returns When the loop comes to its end.
 * @throws What ends the loop, and what `handler` throws.
 *
 * @example Send for as long as there is a connection
 * ```ts
 * import { wsReconnect, wsServe } from "@wsconn/ws";
 *
 * await using server = wsServe(async (conn) => {
 *   for await (const _reading of conn) await conn.close(); // has heard enough
 * }, { hostname: "127.0.0.1", port: 0 });
 *
 * await wsReconnect(server.url, {}, async (conn) => {
 *   for (;;) {
 *     await conn.send("a reading");
 *     await new Promise((resolve) => setTimeout(resolve, 10));
 *   }
 * });
 * ```
 */
export function wsReconnect(
  url: WsReconnectUrl,
  options: WsReconnectOptions,
  handler: (conn: WsConn) => void | Promise<void>,
): Promise<void>;
export function wsReconnect(
  url: WsReconnectUrl,
  options: WsReconnectOptions = {},
  handler?: (conn: WsConn) => void | Promise<void>,
): AsyncIterableIterator<WsConn> | Promise<void> {
  const conns = connections(url, options);
  return handler === undefined ? conns : handleEach(conns, handler);
}

async function handleEach(
  conns: AsyncIterable<WsConn>,
  handler: (conn: WsConn) => void | Promise<void>,
): Promise<void> {
  for await (const conn of conns) {
    try {
      const handled = handler(conn);
      if (handled === undefined) continue; // as a body that comes round
      await handled;
      await conn.close();
    } catch (error) {
      const byItsEnd = error instanceof WsConnectionClosed || error instanceof WsConnectionLost;
      if (!(byItsEnd && conn.closed)) throw error; // else the loop judges how it ended
    }
  }
}

async function* connections(
  url: WsReconnectUrl,
  options: WsReconnectOptions,
): AsyncGenerator<WsConn, void> {
  const settings = retrySettings(options.retry);
  const { signal, onOpen, onRetry } = options;
  for (let attempt = 1;; attempt++) {
    let cause: unknown;
    const conn = await connect(url, options).catch((error) => void (cause = error));
    if (conn !== undefined) {
      const opened = performance.now();
      const held = conn.finished.then(() => performance.now() - opened);
      const onAbort = () => void conn.close();
      signal?.addEventListener("abort", onAbort);
      try {
        signal?.throwIfAborted();
        onOpen?.(conn);
        yield conn;
        await conn.finished;
      } finally { // also when the loop is left
        signal?.removeEventListener("abort", onAbort);
        await conn.close();
      }
      if (await held >= settings.resetAfter * 1000) attempt = 1;
      cause = await causeOf(conn);
      if (cause === undefined && !signal?.aborted) return;
    }
    signal?.throwIfAborted();
    if (attempt > settings.maxRetries || !settings.when(cause, mayPass(cause))) {
      if (isOrderly(cause)) return;
      throw cause;
    }
    const delay = delayBefore(attempt, settings, Math.random(), retryAfter(cause));
    onRetry?.({ attempt, delay, cause });
    const { setTimeout } = await import("node:timers/promises"); // 6 ms, for those who reconnect
    await setTimeout(delay * 1000, undefined, { signal }).catch(() => {});
    signal?.throwIfAborted();
  }
}

/** One attempt. */
async function connect(url: WsReconnectUrl, options: WsReconnectOptions): Promise<WsConn> {
  const { signal, whenLost = "end" } = options;
  signal?.throwIfAborted();
  const asked = typeof url === "function" ? await orAbort(url(), signal) : url;
  const target = typeof asked === "string" || asked instanceof URL ? { url: asked } : asked;
  const all = { ...options, whenLost, ...target, signal };
  if ("conn" in all && all.conn !== undefined) {
    throw new TypeError('Cannot reconnect with "conn": a transport can be used only once');
  }
  return await wsConnect(target.url, all);
}

/** `result`, unless `signal` is aborted before. */
async function orAbort<T>(result: T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Why a connection ended, if this side has not closed it. */
async function causeOf(conn: WsConn): Promise<Error | undefined> {
  const by = endedBy(conn);
  if (by === "this side") return undefined;
  return by ??
    new WsConnectionClosed(await conn.finished, { message: "The peer closed the connection" });
}
