/**
 * The client: {@linkcode wsConnect}. What keeps a connection, `wsReconnect`, is in `@wsconn/ws` itself.
 *
 * @example
 * ```ts
 * import { wsConnect } from "@wsconn/ws/client";
 * import { wsServe } from "@wsconn/ws/server";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe((conn) => conn.send("welcome"), {
 *   hostname: "127.0.0.1",
 *   port: 0,
 * });
 * await using conn = await wsConnect(server.url);
 * assertEquals(await conn.recv(), "welcome");
 * ```
 *
 * @module
 */
import { type Expected, readAnswer } from "./answer.ts";
import { WsConn } from "./conn.ts";
import {
  type Attempt,
  checkRoute,
  dial,
  type Dialed,
  type Route,
  type WsDialOptions,
} from "./dial.ts";
import type { Version } from "./framing/mod.ts";
import type { DeflateParameters } from "./handshake/deflate.ts";
import { basicAuthorization } from "./handshake/credentials.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { checkedHeaders, type ResponseHead } from "./handshake/head.ts";
import { checkHixieResponse, formatHixieRequest, type HixieVersion } from "./handshake/hixie.ts";
import { isRedirect, redirectTarget, withoutCredentials } from "./handshake/redirect.ts";
import {
  assertNoReserved,
  assertProtocols,
  checkResponse,
  expectedAccept,
  formatRequest,
  generateKey,
} from "./handshake/rfc6455.ts";
import { parseWsUrl } from "./handshake/url.ts";
import {
  type ConnLimits,
  connLimits,
  makeDeflate,
  makeProtocol,
  seconds,
  type WsConnOptions,
} from "./options.ts";
import { closeNow, readAtLeast, writeAll } from "./transport.ts";

export { WsConn, type WsOpening } from "./conn.ts";
export { WsConnectionClosed, WsConnectionLost } from "./errors.ts";
export type { WsDialOptions } from "./dial.ts";
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
export type { Traffic, WsConnStats } from "./stats.ts";

/** What {@linkcode wsConnect} can be told. */
export interface WsConnectOptions extends WsConnOptions, WsDialOptions {
  /** Headers to send with the request, such as `Authorization`, `Cookie` or `Origin`. */
  headers?: HeadersInit | undefined;
  /** The subprotocols to offer, the preferred one first (RFC 6455 §1.9). */
  protocols?: string | string[] | undefined;
  /**
   * Gives up when aborted, at any stage before the connection is open, leaving no socket behind. (One whose TLS handshake
   * the server leaves unanswered is closed by Deno only when the server ends it.)
   */
  signal?: AbortSignal | undefined;
  /**
   * How long connecting may take from name look-up to the server's answer, proxy and redirects included, in seconds.
   * Default: 10.
   */
  handshakeTimeout?: number | undefined;
  /**
   * How many redirects (301, 302, 303, 307, 308) are followed
   * ({@link https://www.rfc-editor.org/rfc/rfc9110#section-15.4 | RFC 9110 §15.4}); none leads from `wss:` to `ws:`. To
   * another origin (scheme, host or port) no credentials go, nor come back from there: of `headers` only
   * `Accept-Language`, `Origin` and `User-Agent`, not the user name and password in the URL, not `cert`. The subprotocols
   * are offered to whoever is asked: with a secret among them, follow none. Default: 0.
   */
  maxRedirects?: number | undefined;
  /**
   * Which protocol to open the connection with: "rfc6455", "hixie-76" or "hixie-75". The drafts carry text only, and offer
   * one subprotocol at most. Default: "rfc6455".
   */
  version?: Version | undefined;
}

/**
 * Opens a WebSocket connection to a server ({@link https://www.rfc-editor.org/rfc/rfc6455#section-4.1 | RFC 6455 §4.1}).
 * Needs the permission `--allow-net` for the server, or for the proxy if there is one; for a Unix socket see
 * {@linkcode WsDialOptions.unix}; none if `options.conn` is given.
 *
 * @param url Where to: `ws:` or `wss:`, or `http:` or `https:` meaning the same. A user name and password in it are sent
 * as `Authorization`.
 * @param options Headers, subprotocols, limits, TLS, and the way to the server.
 * @returns The open connection.
 * @throws {SyntaxError} If the URL is not one of a WebSocket, that of the proxy is not one of an HTTP proxy, or a
 * subprotocol is not a token.
 * @throws {TypeError} If options contradict one another, a header is one that the handshake sets, or its value has a line break.
 * @throws {RangeError} If a limit is out of its range.
 * @throws {WsHandshakeError} If the server, or the proxy, refuses or answers wrongly; with the `status`, `headers` and
 * `body` of the answer, and a message that says whose it is.
 * @throws {Deno.errors.TimedOut} If it takes longer than `handshakeTimeout`.
 * @throws The reason of `signal` if it is aborted, and what `Deno.connect` throws if there is no connection to be had.
 *
 * @example Send a message and wait for the answer
 * ```ts
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe(async (conn) => {
 *   for await (const message of conn) await conn.send(`You said ${message}`);
 * }, { hostname: "127.0.0.1", port: 0 });
 *
 * await using conn = await wsConnect(server.url, { headers: { "x-name": "Ada" } });
 * await conn.send("hello");
 * assertEquals(await conn.recv(), "You said hello");
 * ```
 */
export async function wsConnect(
  url: string | URL,
  options: WsConnectOptions = {},
): Promise<WsConn> {
  let request = openingOf(parseWsUrl(url), options);
  let route = checkRoute(options);
  const limits = connLimits(options);
  const { maxRedirects = 0 } = options;
  const handshakeTimeout = seconds("handshakeTimeout", options.handshakeTimeout, 10);
  const { signal } = options;

  const canceller = new AbortController();
  const onAbort = () => canceller.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) onAbort(); // a connection that the user has given is closed all the same
  const { host } = request.url;
  const timer = setTimeout(() => {
    const message = `Cannot connect to ${host}: no answer within ${handshakeTimeout} s`;
    canceller.abort(new Deno.errors.TimedOut(message));
  }, handshakeTimeout * 1000);
  let conn: Deno.Conn | undefined;
  // closing the connection makes whatever waits on it fail at once
  canceller.signal.addEventListener("abort", () => conn && closeNow(conn));
  const attempt: Attempt = {
    signal: canceller.signal,
    onConn(dialed) {
      conn = dialed;
      canceller.signal.throwIfAborted();
    },
  };
  try {
    for (let followed = 0;; followed++) {
      const dialed = await dial(request.url, route, attempt);
      try {
        return await open(dialed, request, limits);
      } catch (error) {
        if (!request.follows || !(error instanceof WsHandshakeError && isRedirect(error))) {
          throw error;
        }
        closeNow(dialed.conn);
        canceller.signal.throwIfAborted();
        if (followed === maxRedirects) throw tooManyRedirects(maxRedirects, error);
        [request, route] = redirected(request, route, error);
      }
    }
  } catch (error) {
    if (conn !== undefined) closeNow(conn);
    // a refusal stands, even if the time ran out within its body
    if (signal?.aborted || !(error instanceof WsHandshakeError && error.status > 0)) {
      canceller.signal.throwIfAborted();
    }
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What is asked of the server. */
interface Opening {
  url: URL;
  version: Version;
  protocols: string[];
  headers: Headers;
  /** Whether redirects are followed. */
  follows: boolean;
}

/** What the options ask for; throws if that cannot be asked. */
function openingOf(url: URL, options: WsConnectOptions): Opening {
  const { version = "rfc6455", maxRedirects = 0 } = options;
  const protocols = [options.protocols ?? []].flat();
  assertProtocols(protocols);
  if (version !== "rfc6455" && protocols.length > 1) {
    throw new SyntaxError(`Cannot offer ${protocols.length} subprotocols: ${version} offers one`);
  }
  const headers = checkedHeaders(options.headers);
  assertNoReserved(headers);
  if (headers.has("proxy-authorization")) {
    throw new TypeError(
      'Cannot set header proxy-authorization: the server must not see it, "proxyHeaders" go to the proxy',
    );
  }
  const authorization = basicAuthorization(url);
  if (authorization !== undefined && !headers.has("authorization")) {
    headers.set("authorization", authorization);
  }
  url.username = url.password = ""; // a relative redirect would inherit them
  if (!(Number.isInteger(maxRedirects) && maxRedirects >= 0)) {
    throw new RangeError(
      `maxRedirects must be a whole number from 0 up: current value is ${maxRedirects}`,
    );
  }
  if (maxRedirects > 0 && options.conn !== undefined) {
    throw new TypeError(
      'Cannot follow redirects on "conn": another server takes another connection',
    );
  }
  return { url, version, protocols, headers, follows: maxRedirects > 0 };
}

/** What to ask instead, and how to get there, after a redirect: another origin gets no credentials, from here on. */
function redirected(
  request: Opening,
  route: Route,
  answer: WsHandshakeError,
): [request: Opening, route: Route] {
  const url = redirectTarget(request.url, answer);
  if (url.origin === request.url.origin) return [{ ...request, url }, route];
  if (route.unix !== undefined) {
    const { status, headers } = answer;
    throw new WsHandshakeError(
      status,
      `Cannot follow the redirect to ${url.host}: only ${request.url.host} is behind the Unix socket`,
      { headers },
    );
  }
  const headers = withoutCredentials(request.headers);
  return [{ ...request, url, headers }, { ...route, identity: undefined }];
}

function tooManyRedirects(most: number, { status, headers }: WsHandshakeError): WsHandshakeError {
  return new WsHandshakeError(
    status,
    `Cannot follow another redirect: maxRedirects is ${most}, and it would lead to ${
      JSON.stringify(headers.get("location"))
    }`,
    { headers },
  );
}

/** The opening handshake on a connection. */
async function open(
  { conn, rest: read }: Dialed,
  request: Opening,
  limits: ConnLimits,
): Promise<WsConn> {
  const { version } = request;
  const shake = version === "rfc6455" ? shakeRfc6455 : shakeHixie;
  const agreement = await shake(conn, request, limits, read);
  const { response, protocol, extensions = "", deflate, rest } = agreement;
  const compression = deflate && await makeDeflate("client", deflate, limits.compression);
  return new WsConn(conn, {
    line: response.line,
    headers: response.headers,
    url: request.url,
    protocol,
    extensions,
    rest,
    framing: (events) => makeProtocol(version, "client", events, limits, compression),
  }, limits);
}

/** RFC 6455 §4.1: any status but 101 is no WebSocket. */
const UPGRADE: Expected = { who: "server", accepts: (status) => status === 101 };
const UPGRADE_OR_REDIRECT: Expected = { ...UPGRADE, skipsBody: isRedirect };

/** What the server agreed to. */
interface Agreement {
  response: ResponseHead;
  protocol: string;
  extensions?: string;
  deflate?: DeflateParameters;
  rest: Uint8Array;
}

async function shakeRfc6455(
  conn: Deno.Conn,
  { url, protocols, headers, follows }: Opening,
  { compression }: ConnLimits,
  read: Uint8Array,
): Promise<Agreement> {
  const key = generateKey();
  await writeAll(conn, formatRequest(url, key, protocols, headers, compression));
  const accept = await expectedAccept(key); // while the server works
  const { response, rest } = await readAnswer(conn, follows ? UPGRADE_OR_REDIRECT : UPGRADE, read);
  return { response, ...checkResponse(response, accept, protocols, compression), rest };
}

async function shakeHixie(
  conn: Deno.Conn,
  { url, version, protocols, headers, follows }: Opening,
  _limits: ConnLimits,
  read: Uint8Array,
): Promise<Agreement> {
  const draft = version as HixieVersion;
  const [offered = ""] = protocols;
  const { ANSWER_LENGTH, answerTo, generateChallenge } = await import("./handshake/challenge.ts");
  const challenge = draft === "hixie-76" ? generateChallenge() : undefined;
  await writeAll(conn, formatHixieRequest(url, challenge, offered, headers));
  const { response, rest } = await readAnswer(conn, follows ? UPGRADE_OR_REDIRECT : UPGRADE, read);
  const protocol = checkHixieResponse(response, draft, url, offered, headers);
  if (challenge === undefined) return { response, protocol, rest };
  // some servers send the answer apart from the head
  const all = await readAtLeast(conn, rest, ANSWER_LENGTH);
  if (!equals(all?.subarray(0, ANSWER_LENGTH), answerTo(challenge))) {
    const { headers, status } = response;
    throw new WsHandshakeError(status, "The server's answer to the challenge is wrong", {
      headers,
    });
  }
  return { response, protocol, rest: all!.subarray(ANSWER_LENGTH) };
}

function equals(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && b.every((byte, at) => byte === a[at]);
}
