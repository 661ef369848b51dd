/** The server's side of the opening handshake, on one connection. */
import { WsConn } from "./conn.ts";
import { Deadlines, type Timed } from "./deadlines.ts";
import type { Version } from "./framing/mod.ts";
import { BodyDecoder } from "./handshake/body.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { checkedHeaders, HeadReader, type RequestHead } from "./handshake/head.ts";
import { hixieVersionOf } from "./handshake/hixie.ts";
import { formatRefusal, formatResponseHead, toRequest } from "./handshake/http.ts";
import { checkOrigin, type Origins } from "./handshake/origin.ts";
import {
  assertNoReserved,
  assertProtocols,
  checkHttp,
  checkOpening,
  isUpgrade,
} from "./handshake/rfc6455.ts";
import { requestUrl } from "./handshake/url.ts";
import {
  Accepted,
  byClient,
  checkHixie,
  checkRfc6455,
  cutShort,
  isSecure,
  type Opening,
} from "./opening.ts";
import {
  type ConnLimits,
  connLimits,
  makeDeflate,
  seconds,
  type WsConnOptions,
} from "./options.ts";
import {
  closeGently,
  closeNow,
  closeWith,
  readBody,
  readHead,
  sendAtOnce,
  writeAll,
} from "./transport.ts";

/** What a server knows of a connection besides its request: see {@linkcode WsAcceptOptions.connHeaders}. */
export interface RequestInfo {
  /** What the client asks for, as its request and Host name it: `ws:`, or `wss:` if it came over TLS. */
  readonly url: URL;
  /** Which protocol the client opens the connection with. */
  readonly version: Version;
  /** Whether it came over TLS. */
  readonly secure: boolean;
  /** The address of the client. */
  readonly remoteAddr: Deno.Addr;
}

/** What {@linkcode WsAcceptOptions.connHeaders} answers. */
export interface ConnHeaders<S> {
  /** Headers for the client. */
  headers?: HeadersInit | undefined;
  /** State for the handler. */
  state: S;
}

/** What {@linkcode wsAccept} can be told; `wsServe` takes the same. */
export interface WsAcceptOptions<S = undefined> extends WsConnOptions {
  /**
   * The subprotocols that this server speaks, the preferred one first: the first that the client offers is chosen, none
   * if there is none. Or a function that chooses one of those offered (RFC 6455 §4.2.2). Default: none.
   */
  protocols?: string[] | ((offered: string[]) => string | undefined) | undefined;
  /** How long the client may take for its request, in seconds; after that it gets 408. Default: 10. */
  handshakeTimeout?: number | undefined;
  /**
   * Which protocols are spoken on the port. "hixie-75" has no challenge at all: any web page can make any server speak
   * it. Default: "rfc6455" and "hixie-76".
   */
  versions?: Version[] | undefined;
  /**
   * Which pages may connect, by their `Origin`: "*" for any, a list such as `["https://example.com"]`, or a function. A
   * client that sends no `Origin` is no browser and is let in. Default: pages of the same host as the server's.
   */
  origins?: Origins | undefined;
  /**
   * Is called with the request line and headers of every opening that is in order. Its headers go to the client with the
   * answer, its state goes to the handler. A `Response` refuses the connection with it; an error that is thrown refuses
   * it with 500.
   */
  connHeaders?:
    | ((
      line: string,
      headers: Headers,
      info: RequestInfo,
    ) => ConnHeaders<S> | Response | Promise<ConnHeaders<S> | Response>)
    | undefined;
}

/** {@linkcode WsAcceptOptions}, checked, with the defaults filled in. */
export interface AcceptSettings<S> {
  readonly limits: ConnLimits;
  readonly handshakeTimeout: number;
  /** For the requests: `handshakeTimeout` each. */
  readonly deadlines: Deadlines;
  readonly versions: readonly Version[];
  readonly origins: Origins | undefined;
  readonly choose: (offered: string[]) => string | undefined;
  readonly connHeaders: WsAcceptOptions<S>["connHeaders"];
}

/** Checks the options of a server; throws what is wrong with them. */
export function acceptSettings<S>(options: WsAcceptOptions<S>): AcceptSettings<S> {
  const { protocols = [], versions = ["rfc6455", "hixie-76"], origins, connHeaders } = options;
  if (typeof protocols !== "function") assertProtocols(protocols);
  const handshakeTimeout = seconds("handshakeTimeout", options.handshakeTimeout, 10);
  return {
    limits: connLimits(options),
    handshakeTimeout,
    deadlines: new Deadlines(handshakeTimeout * 1000),
    versions,
    origins,
    choose: typeof protocols === "function"
      ? protocols
      : (offered) => protocols.find((protocol) => offered.includes(protocol)),
    connHeaders,
  };
}

/**
 * Does the server's side of the opening handshake on a connection, whoever accepted it
 * ({@link https://www.rfc-editor.org/rfc/rfc6455#section-4.2 | RFC 6455 §4.2}). Needs no permission.
 *
 * @param conn The connection; it belongs to the WebSocket once the options are found to be in order, and is closed if the
 * handshake fails.
 * @param options Subprotocols and limits.
 * @returns The open connection.
 * @throws {WsHandshakeError} If the request was refused, with the `status` that was answered.
 *
 * @example
 * ```ts
 * import { wsAccept, wsConnect } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const [server, client] = await Promise.all([
 *   listener.accept().then((conn) => wsAccept(conn)),
 *   wsConnect(`ws://127.0.0.1:${listener.addr.port}/`),
 * ]);
 * await server.send("hello");
 * assertEquals(await client.recv(), "hello");
 * await client.close();
 * ```
 */
export async function wsAccept(conn: Deno.Conn, options: WsAcceptOptions = {}): Promise<WsConn> {
  const opened = await answer(conn, acceptSettings(options), {});
  if (opened.conn === undefined) {
    throw new WsHandshakeError(opened.response.status, "The server refused the connection", {
      headers: opened.response.headers,
    });
  }
  return opened.conn;
}

/** What the answer to a request depends on besides its {@linkcode AcceptSettings}. */
interface Answering {
  /** Answers plain HTTP. */
  onRequest?: ((request: Request) => Response | Promise<Response>) | undefined;
  /** Is called when no more is read of the request's head. */
  onRead?: () => void;
}

/** What became of a request: a WebSocket, or an answer of the user's that has been sent, which may refuse one. */
export type Answered<S> =
  | { conn: WsConn; state: S; response?: never }
  | { conn?: never; response: Response; refused: boolean };

/**
 * Reads the request of a connection and answers it: opens the WebSocket that it asks for, or sends what `onRequest` or
 * `connHeaders` answer it with. Otherwise refuses it, closes the connection, and throws.
 */
export async function answer<S>(
  conn: Deno.Conn,
  settings: AcceptSettings<S>,
  answering: Answering,
): Promise<Answered<S>> {
  const deadline = new RequestDeadline(conn, settings);
  let answered = false;
  try {
    sendAtOnce(conn);
    const reader = new HeadReader();
    const complete = await readHead(conn, reader).catch(byClient);
    answering.onRead?.();
    if (!complete) throw cutShort();
    const request = reader.request();
    checkHttp(request);
    if (answering.onRequest !== undefined && !isUpgrade(request)) {
      deadline.stop();
      const response = await askUser(conn, request, reader.rest, answering.onRequest);
      answered = true;
      await sendResponse(conn, request, response, settings.handshakeTimeout);
      return { response, refused: false };
    }
    checkOpening(request);
    const url = requestUrl(request, "ws", isSecure(conn));
    const opening = hixieVersionOf(request) !== undefined
      ? await checkHixie(conn, request, reader.rest, settings)
      : await checkRfc6455(request, reader.rest, settings);
    deadline.stop();
    checkOrigin(request.fields, settings.origins);
    const user = settings.connHeaders && await askHeaders(conn, request, url, opening, settings);
    if (user instanceof Response) {
      answered = true;
      await sendResponse(conn, request, user, settings.handshakeTimeout);
      return { response: user, refused: true };
    }
    const opened = await upgrade(conn, request, opening, user?.headers, settings);
    return { conn: opened, state: user?.state as S };
  } catch (error) {
    answering.onRead?.();
    deadline.stop();
    // what is not the client's doing is a bug in a function of the user's, or the client has gone
    if (!answered) await refuse(conn, toRefusal(error));
    closeNow(conn);
    throw error;
  }
}

/** Refuses a client that takes too long for its request with 408. */
class RequestDeadline implements Timed {
  readonly #conn: Deno.Conn;
  readonly #settings: AcceptSettings<unknown>;
  #passed: WsHandshakeError | undefined;

  constructor(conn: Deno.Conn, settings: AcceptSettings<unknown>) {
    this.#conn = conn;
    this.#settings = settings;
    settings.deadlines.begin(this);
  }

  timeUp(): void {
    this.#passed = new WsHandshakeError(
      408,
      `No request within ${this.#settings.handshakeTimeout} s`,
    );
    void closeWith(this.#conn, formatRefusal(this.#passed));
  }

  /** The request is there, or refused; throws if the time had run out before. */
  stop(): void {
    this.#settings.deadlines.end(this);
    if (this.#passed !== undefined) throw this.#passed;
  }
}

function askHeaders<S>(
  conn: Deno.Conn,
  { line, headers }: RequestHead,
  url: URL,
  { version }: Opening,
  { connHeaders }: AcceptSettings<S>,
): ConnHeaders<S> | Response | Promise<ConnHeaders<S> | Response> | undefined {
  return connHeaders?.(line, headers, {
    url,
    version,
    secure: isSecure(conn),
    remoteAddr: conn.remoteAddr,
  });
}

async function upgrade<S>(
  conn: Deno.Conn,
  request: RequestHead,
  opening: Opening,
  extra: HeadersInit | undefined,
  { choose, limits }: AcceptSettings<S>,
): Promise<WsConn> {
  const { offered, deflate } = opening;
  const protocol = offered.length > 0 ? choose(offered) ?? "" : "";
  if (protocol !== "" && !offered.includes(protocol)) {
    throw new TypeError(`Cannot choose subprotocol "${protocol}": the client offers ${offered}`);
  }
  const headers = extra && checkedHeaders(extra);
  if (headers !== undefined) assertNoReserved(headers);
  const compression = deflate && await makeDeflate("server", deflate, limits.compression);
  await writeAll(conn, opening.format(protocol, headers)).catch(byClient);
  const accepted = new Accepted(request, isSecure(conn), opening, protocol, limits, compression);
  return new WsConn(conn, accepted, limits);
}

function askUser(
  conn: Deno.Conn,
  head: RequestHead,
  rest: Uint8Array,
  onRequest: (request: Request) => Response | Promise<Response>,
): Response | Promise<Response> {
  const decoder = new BodyDecoder(head, false);
  const body = decoder.done ? null : readBody(conn, decoder, rest);
  return onRequest(toRequest(head, isSecure(conn), body));
}

/** Sends an answer; a client that does not read any of it for `patience` seconds is left. */
async function sendResponse(
  conn: Deno.Conn,
  { method }: RequestHead,
  response: Response,
  patience: number,
): Promise<void> {
  const write = async (bytes: Uint8Array) => {
    const timer = setTimeout(() => closeNow(conn), patience * 1000);
    await writeAll(conn, bytes).catch(byClient).finally(() => clearTimeout(timer));
  };
  await write(formatResponseHead(response));
  if (method !== "HEAD" && response.body !== null) {
    for await (const chunk of response.body) {
      for (let at = 0; at < chunk.length; at += 65536) await write(chunk.subarray(at, at + 65536));
    }
  } else await response.body?.cancel();
  await closeGently(conn);
}

function toRefusal(error: unknown): WsHandshakeError {
  return error instanceof WsHandshakeError
    ? error
    : new WsHandshakeError(500, "The server failed to answer this request");
}

async function refuse(conn: Deno.Conn, error: WsHandshakeError): Promise<void> {
  try {
    await writeAll(conn, formatRefusal(error));
    await closeGently(conn);
  } catch {
    // the client is gone, and does not care why it was refused
  }
}
