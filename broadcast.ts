import { held, share, type WsConn } from "./conn.ts";
import { CloseCode, SharedMessage, type WsMessage } from "./framing/mod.ts";
import { assertMessage } from "./framing/message.ts";
import { size } from "./options.ts";

/** What is done about connections that do not keep up: see {@linkcode BroadcastOptions}. */
export interface SlowConsumers {
  /**
   * A connection is slow if more than so many bytes that it was sent before are not written yet: its `bufferedAmount`, and
   * 256 for each message that waits to be framed. Default: 1 MiB.
   */
  maxBuffered?: number | undefined;
  /**
   * What becomes of a slow connection: "skip", the message is lost to it; "close", it is closed with 1008. Default: "skip".
   */
  slow?: "skip" | "close" | undefined;
}

/** What {@linkcode broadcast} can be told. */
export interface BroadcastOptions extends SlowConsumers {
  /** A connection that does not get the message: the one that it came from. */
  except?: WsConn | undefined;
}

/** What {@linkcode broadcast} has done. */
export interface BroadcastResult {
  /** How many connections the message was sent on. */
  sent: number;
  /** How many did not get it: too slow, a draft that has no binary, a `writable` that somebody else has locked. */
  skipped: number;
  /** How many were closed for being too slow. */
  closed: number;
}

/**
 * Sends one message on many connections. It is framed once for all of them, and compressed once for all that agreed on the
 * same parameters without context takeover ({@link https://www.rfc-editor.org/rfc/rfc7692#section-7.1.1 | RFC 7692 §7.1.1}).
 * A client's side masks, and a connection with context takeover compresses, by itself: each such one takes as long as a `send`.
 *
 * Waits for nobody: the message takes its place among what is sent on each connection, and is written at the end of this
 * turn of the event loop, together with what else is broadcast in it; whoever reads too slowly is skipped or closed. Bytes may change as soon as it returns. Connections that are closed are passed over, and not counted;
 * one that occurs twice gets the message twice.
 *
 * Needs no permission.
 *
 * @param conns The connections, such as `server.connections`. What it throws itself is passed on; those before have got
 * the message.
 * @param message The message.
 * @param options Who is too slow, what to do about it, and who is not to get the message.
 * @returns How many connections got it, and how many did not.
 * @throws {TypeError} If the message is neither a string nor a `Uint8Array`, or `slow` neither "skip" nor "close".
 * @throws {RangeError} If `maxBuffered` is no number of bytes.
 *
 * @example Pass on whatever anybody says
 * ```ts
 * import { broadcast, wsConnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe(async (conn) => {
 *   for await (const message of conn) broadcast(server.connections, message, { except: conn });
 * }, { hostname: "127.0.0.1", port: 0 });
 *
 * await using ann = await wsConnect(server.url);
 * await using bob = await wsConnect(server.url);
 * await bob.ping(); // by now the server has both
 * await ann.send("Hello, all");
 * assertEquals(await bob.recv(), "Hello, all");
 * ```
 */
export function broadcast(
  conns: Iterable<WsConn>,
  message: WsMessage,
  options: BroadcastOptions = {},
): BroadcastResult {
  const { maxBuffered, slow } = slowConsumers(options);
  assertMessage(message, "broadcast");
  const shared = new SharedMessage(message);
  const result: BroadcastResult = { sent: 0, skipped: 0, closed: 0 };
  for (const conn of conns) {
    if (conn.closed || conn === options.except) continue;
    const waiting = held(conn);
    if (waiting <= maxBuffered) {
      if (share(conn, shared)) result.sent++;
      else result.skipped++;
    } else if (slow === "skip") result.skipped++;
    else {
      // RFC 6455 §7.4.1: 1008 where no other code fits; 1013 would say that it is the server that has too much to do
      const reason = `Read too slowly: ${waiting} bytes wait, maxBuffered is ${maxBuffered}`;
      void conn.close(CloseCode.PolicyViolation, reason);
      result.closed++;
    }
  }
  return result;
}

/** Checks the options that tell what a slow connection is, and what becomes of it. */
export function slowConsumers(
  { maxBuffered, slow = "skip" }: SlowConsumers,
): { maxBuffered: number; slow: "skip" | "close" } {
  if (slow !== "skip" && slow !== "close") {
    throw new TypeError(`slow must be "skip" or "close": current value is ${JSON.stringify(slow)}`);
  }
  return { maxBuffered: size("maxBuffered", maxBuffered, 1024 * 1024), slow };
}
