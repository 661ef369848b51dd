/**
 * The client: {@linkcode wsConnect}.
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
import { dial } from "./dial.ts";
import type { Version } from "./framing/mod.ts";
import type { DeflateParameters } from "./handshake/deflate.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { checkedHeaders, type ResponseHead } from "./handshake/head.ts";
import { checkHixieResponse, formatHixieRequest, type HixieVersion } from "./handshake/hixie.ts";
import {
  assertNoReserved,
  assertProtocols,
  checkResponse,
  formatRequest,
  generateKey,
} from "./handshake/rfc6455.ts";
import {
  type ConnLimits,
  connLimits,
  makeDeflate,
  makeProtocol,
  seconds,
  type WsConnOptions,
} from "./options.ts";
import { closeNow, readAtLeast, sendAtOnce, writeAll } from "./transport.ts";

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

/** What {@linkcode wsConnect} can be told. */
export interface WsConnectOptions extends WsConnOptions {
  /** Headers to send with the request, such as `Authorization`, `Cookie` or `Origin`. */
  headers?: HeadersInit | undefined;
  /** The subprotocols to offer, the preferred one first (RFC 6455 §1.9). */
  protocols?: string | string[] | undefined;
  /**
   * Gives up when aborted, at any stage before the connection is open, leaving no socket behind. (One whose TLS handshake
   * the server leaves unanswered is closed by Deno only when the server ends it.)
   */
  signal?: AbortSignal | undefined;
  /** How long connecting may take from name look-up to the server's answer, in seconds. Default: 10. */
  handshakeTimeout?: number | undefined;
  /** Certificates (PEM) to trust besides the system's, for `wss:`. */
  caCerts?: string[] | undefined;
  /** The certificate (PEM) that this client shows the server, for `wss:`; goes with `key`. */
  cert?: string | undefined;
  /** The private key (PEM) of `cert`. */
  key?: string | undefined;
  /**
   * A connection to use as it is rather than dialing one: a Unix socket, a tunnel, TLS of your own. It belongs to the
   * WebSocket once the arguments are found to be in order, and is closed if the handshake fails.
   */
  conn?: Deno.Conn | undefined;
  /**
   * Which protocol to open the connection with: "rfc6455", "hixie-76" or "hixie-75". The drafts carry text only, and offer
   * one subprotocol at most. Default: "rfc6455".
   */
  version?: Version | undefined;
}

/**
 * Opens a WebSocket connection to a server ({@link https://www.rfc-editor.org/rfc/rfc6455#section-4.1 | RFC 6455 §4.1}).
 * Needs the permission `--allow-net` for the server, unless `options.conn` is given.
 *
 * @param url Where to: `ws:` or `wss:`, or `http:` or `https:` meaning the same. A user name and password in it are sent
 * as `Authorization`.
 * @param options Headers, subprotocols, limits, TLS.
 * @returns The open connection.
 * @throws {SyntaxError} If the URL is not one of a WebSocket, or a subprotocol is not a token.
 * @throws {TypeError} If `cert` is given without `key` or the reverse, a header is one that the handshake sets, or its value has a line break.
 * @throws {WsHandshakeError} If the server refuses, or answers wrongly; with its `status`, `headers` and `body`.
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
  const target = parseUrl(url);
  const protocols = [options.protocols ?? []].flat();
  assertProtocols(protocols);
  const headers = checkedHeaders(options.headers);
  assertNoReserved(headers);
  if (!headers.has("authorization") && (target.username !== "" || target.password !== "")) {
    headers.set("authorization", basicAuthorization(url, target));
  }
  const request: Opening = {
    url: target,
    version: options.version ?? "rfc6455",
    protocols,
    headers,
  };
  if (request.version !== "rfc6455" && protocols.length > 1) {
    throw new SyntaxError(
      `Cannot offer ${protocols.length} subprotocols: ${request.version} offers one`,
    );
  }
  if ((options.cert === undefined) !== (options.key === undefined)) {
    throw new TypeError(
      `Cannot show a certificate with only "${options.cert ? "cert" : "key"}": it takes both`,
    );
  }
  const limits = connLimits(options);
  const handshakeTimeout = seconds("handshakeTimeout", options.handshakeTimeout, 10);
  const { signal } = options;
  signal?.throwIfAborted();

  const canceller = new AbortController();
  const onAbort = () => canceller.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  const timer = setTimeout(() => {
    const message = `Cannot connect to ${target.host}: no answer within ${handshakeTimeout} s`;
    canceller.abort(new Deno.errors.TimedOut(message));
  }, handshakeTimeout * 1000);
  let conn: Deno.Conn | undefined;
  // closing the connection makes whatever waits on it fail at once
  canceller.signal.addEventListener("abort", () => conn && closeNow(conn));
  try {
    conn = options.conn ?? await dial(target, options, canceller.signal, (c) => conn = c);
    canceller.signal.throwIfAborted();
    sendAtOnce(conn);
    return await open(conn, request, limits);
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

function parseUrl(url: string | URL): URL {
  const target = URL.parse(url);
  if (target === null) throw new SyntaxError(`Cannot connect to "${url}": it is not a URL`);
  // the WHATWG's WebSocket takes http: and https: too
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new SyntaxError(`Cannot connect to "${url}": its scheme must be ws: or wss:`);
  }
  // RFC 6455 §3
  if (target.hash !== "" || target.href.endsWith("#")) {
    throw new SyntaxError(`Cannot connect to "${url}": it must not have a fragment`);
  }
  return target;
}

function basicAuthorization(url: string | URL, { username, password }: URL): string {
  let credentials;
  try {
    credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch (cause) {
    throw new SyntaxError(`Cannot connect to "${url}": its user name is malformed`, { cause });
  }
  return "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(credentials)));
}

/** What is asked of the server. */
interface Opening {
  url: URL;
  version: Version;
  protocols: string[];
  headers: Headers;
}

/** RFC 6455 §4.1: any status but 101 is no WebSocket. */
const UPGRADE: Expected = { who: "server", accepts: (status) => status === 101 };

/** The opening handshake on a connection. */
async function open(conn: Deno.Conn, request: Opening, limits: ConnLimits): Promise<WsConn> {
  const { version } = request;
  const shake = version === "rfc6455" ? shakeRfc6455 : shakeHixie;
  const { response, protocol, extensions = "", deflate, rest } = await shake(conn, request, limits);
  const compression = deflate && await makeDeflate("client", deflate, limits.compression);
  return new WsConn(conn, {
    line: response.line,
    headers: response.headers,
    protocol,
    extensions,
    rest,
    framing: (events) => makeProtocol(version, "client", events, limits, compression),
  }, limits);
}

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
  { url, protocols, headers }: Opening,
  { compression }: ConnLimits,
): Promise<Agreement> {
  const key = generateKey();
  await writeAll(conn, formatRequest(url, key, protocols, headers, compression));
  const { acceptKey } = await import("./handshake/challenge.ts");
  const { response, rest } = await readAnswer(conn, UPGRADE);
  return { response, ...checkResponse(response, acceptKey(key), protocols, compression), rest };
}

async function shakeHixie(
  conn: Deno.Conn,
  { url, version, protocols, headers }: Opening,
): Promise<Agreement> {
  const draft = version as HixieVersion;
  const [offered = ""] = protocols;
  const { ANSWER_LENGTH, answerTo, generateChallenge } = await import("./handshake/challenge.ts");
  const challenge = draft === "hixie-76" ? generateChallenge() : undefined;
  await writeAll(conn, formatHixieRequest(url, challenge, offered, headers));
  const { response, rest } = await readAnswer(conn, UPGRADE);
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
