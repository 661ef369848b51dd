/** What is worth another attempt at connecting, and when to make it. Pure: no timer, no clock but for a date. */
import { WsConnectionClosed, WsConnectionLost } from "./errors.ts";
import { CloseCode } from "./framing/mod.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { seconds } from "./options.ts";

/** When `wsReconnect` tries again, and how often. */
export interface WsRetryOptions {
  /** The longest delay before the first retry, in seconds; each is drawn at random from 0 to the longest. Default: 1. */
  firstDelay?: number | undefined;
  /** How many times longer the longest delay becomes with every further retry. Default: 2. */
  factor?: number | undefined;
  /** Beyond which no delay grows, in seconds, whatever the server asks for with `Retry-After`. Default: 60. */
  maxDelay?: number | undefined;
  /** How many retries may follow one another, before the loop throws what the last one failed of. Default: Infinity. */
  maxRetries?: number | undefined;
  /**
   * How long a connection has to hold, in seconds, before retries are counted from the first again. A server that accepts
   * connections only to drop them is asked ever more rarely. Default: 10.
   */
  resetAfter?: number | undefined;
  /**
   * Decides whether to try again: is given why connecting failed or the connection ended, and what would be done by
   * default. Is not asked once this side has closed the connection.
   */
  when?: ((cause: unknown, byDefault: boolean) => boolean) | undefined;
}

/** {@linkcode WsRetryOptions}, checked, with the defaults filled in. */
export interface RetrySettings {
  /** In seconds. */
  readonly firstDelay: number;
  readonly factor: number;
  /** In seconds. */
  readonly maxDelay: number;
  readonly maxRetries: number;
  /** In seconds. */
  readonly resetAfter: number;
  readonly when: (cause: unknown, byDefault: boolean) => boolean;
}

/** Checks the options of retrying; throws a `RangeError` that names the one that is wrong. */
export function retrySettings(options: WsRetryOptions = {}): RetrySettings {
  const { factor = 2, maxRetries = Infinity, when = (_, byDefault) => byDefault } = options;
  if (!(factor >= 1 && factor < Infinity)) {
    throw new RangeError(`factor must be a number of at least 1: current value is ${factor}`);
  }
  if (!(maxRetries >= 0)) {
    throw new RangeError(`maxRetries must be a number of retries: current value is ${maxRetries}`);
  }
  return {
    firstDelay: seconds("firstDelay", options.firstDelay, 1),
    factor,
    maxDelay: seconds("maxDelay", options.maxDelay, 60),
    maxRetries,
    resetAfter: seconds("resetAfter", options.resetAfter, 10),
    when,
  };
}

/**
 * How long to wait before a retry, in seconds. RFC 6455 §7.2.3: a random time before the first, so that the clients of a
 * server that fails do not all come back at once; for the rest truncated binary exponential back-off.
 *
 * @param retry Which retry it is, from 1.
 * @param settings How the delays grow.
 * @param random From 0 to 1.
 * @param atLeast What the server asks for, in seconds: then as much later as the delay would have been.
 */
export function delayBefore(
  retry: number,
  { firstDelay, factor, maxDelay }: RetrySettings,
  random: number,
  atLeast = 0,
): number {
  const growth = Math.min(factor ** (retry - 1), Number.MAX_VALUE); // 0 * Infinity is no number
  const longest = Math.min(maxDelay, firstDelay * growth);
  return Math.min(maxDelay, atLeast + random * longest);
}

/** What a server that refused asks to wait, in seconds, if it does (RFC 9110 §10.2.3). */
export function retryAfter(cause: unknown): number | undefined {
  const value = cause instanceof WsHandshakeError ? cause.headers.get("retry-after") : null;
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  // RFC 9110 §5.6.7: all three forms of a date are in GMT, but one does not say so
  const date = /^[A-Z][a-z]+,? /.test(value)
    ? Date.parse(value.endsWith("GMT") ? value : `${value} GMT`)
    : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}

/** The closings after which another connection may hold: 1001, 1012 and 1013 (RFC 6455 §7.4.1 and the IANA registry). */
const PASSING_CLOSES: readonly number[] = [
  CloseCode.GoingAway,
  CloseCode.ServiceRestart,
  CloseCode.TryAgainLater,
];

/** The failures of a network that may be over at the next attempt. */
const PASSING_ERRORS = [
  Deno.errors.ConnectionRefused,
  Deno.errors.NotFound, // a Unix socket, which its server has not made yet
  Deno.errors.ConnectionReset,
  Deno.errors.ConnectionAborted,
  Deno.errors.NotConnected,
  Deno.errors.BrokenPipe,
  Deno.errors.UnexpectedEof, // within the TLS handshake
  Deno.errors.TimedOut,
  Deno.errors.NetworkUnreachable,
  Deno.errors.AddrNotAvailable, // no local port is free, or no address yet
];

/** Those that have no class in `Deno.errors`; the last is what node:tls says of TLS that ends within its handshake. */
const PASSING_CODES = ["EHOSTUNREACH", "EHOSTDOWN", "ENETDOWN", "ECONNRESET"];

/** Whether the next attempt may succeed where this one failed, or where the connection ended like this. */
export function mayPass(cause: unknown): boolean {
  if (cause instanceof WsConnectionLost) return true;
  if (cause instanceof WsConnectionClosed) {
    return cause.closeInfo !== undefined && PASSING_CLOSES.includes(cause.closeInfo.code);
  }
  if (cause instanceof WsHandshakeError) return mayPassRefusal(cause);
  if (PASSING_ERRORS.some((type) => cause instanceof type)) return true;
  if (!(cause instanceof Error)) return false;
  if ("code" in cause && PASSING_CODES.includes(String(cause.code))) return true;
  // has neither a class nor a code; that of a proxy says so first
  return cause.message.includes("failed to lookup address information");
}

function mayPassRefusal({ status, cause }: WsHandshakeError): boolean {
  if (status === 0) return cause === undefined; // no answer; else it was no HTTP
  // RFC 9110 §15.5.9: the client may repeat the request. RFC 6585 §4: it has been too fast.
  if (status === 408 || status === 429) return true;
  return status >= 500; // RFC 9110 §15.6: the fault is the server's
}

/** Whether the peer closed because all is said: with 1000, or as browsers do by default, without a code. */
export function isOrderly(cause: unknown): boolean {
  const code = cause instanceof WsConnectionClosed ? cause.closeInfo?.code : undefined;
  return code === CloseCode.Normal || code === CloseCode.NoStatus;
}
