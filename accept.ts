/** The server's side of the opening handshake, on one connection. */
import { WsConn } from "./conn.ts";
import { Rfc6455Protocol } from "./framing/mod.ts";
import { BodyDecoder } from "./handshake/body.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { HeadReader, type RequestHead } from "./handshake/head.ts";
import { formatRefusal, formatResponseHead, toRequest } from "./handshake/http.ts";
import {
  assertProtocols,
  checkHttp,
  checkRequest,
  formatResponse,
  isUpgrade,
  offeredProtocols,
} from "./handshake/rfc6455.ts";
import { type ConnLimits, connLimits, seconds, type WsConnOptions } from "./options.ts";
import { closeGently, closeNow, readBody, readHead, writeAll } from "./transport.ts";

/** What {@linkcode wsAccept} can be told; `wsServe` takes the same. */
export interface WsAcceptOptions extends WsConnOptions {
  /**
   * The subprotocols that this server speaks, the preferred one first: the first that the client offers is chosen, none
   * if there is none. Or a function that chooses one of those offered (RFC 6455 §4.2.2). Default: none.
   */
  protocols?: string[] | ((offered: string[]) => string | undefined) | undefined;
  /** How long the client may take for its request, in seconds; after that it gets 408. Default: 10. */
  handshakeTimeout?: number | undefined;
}

/** {@linkcode WsAcceptOptions}, checked, with the defaults filled in. */
export interface AcceptSettings {
  readonly limits: ConnLimits;
  readonly handshakeTimeout: number;
  readonly choose: (offered: string[]) => string | undefined;
}

/** Checks the options of a server; throws what is wrong with them. */
export function acceptSettings(options: WsAcceptOptions): AcceptSettings {
  const { protocols = [] } = options;
  if (typeof protocols !== "function") assertProtocols(protocols);
  return {
    limits: connLimits(options),
    handshakeTimeout: seconds("handshakeTimeout", options.handshakeTimeout, 10),
    choose: typeof protocols === "function"
      ? protocols
      : (offered) => protocols.find((protocol) => offered.includes(protocol)),
  };
}

/**
 * Does the server's side of the opening handshake on a connection, whoever accepted it
 * ({@link https://www.rfc-editor.org/rfc/rfc6455#section-4.2 | RFC 6455 §4.2}). Needs no permission.
 *
 * @param conn The connection; it belongs to the WebSocket from then on, and is closed if the handshake fails.
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
  const opened = await answer(conn, acceptSettings(options), { secure: false });
  return opened!; // without onRequest there is a connection, or an error
}

/** What the answer to a request depends on besides its {@linkcode AcceptSettings}. */
interface Answering {
  /** Whether the transport is TLS. */
  secure: boolean;
  /** Answers plain HTTP. */
  onRequest?: ((request: Request) => Response | Promise<Response>) | undefined;
  /** Is called when no more is read of the request's head. */
  onRead?: () => void;
}

/**
 * Reads the request of a connection and answers it. Returns the WebSocket if it asked for one, and `undefined` if
 * it was plain HTTP and has been served. Otherwise refuses it, closes the connection, and throws.
 */
export async function answer(
  conn: Deno.Conn,
  settings: AcceptSettings,
  answering: Answering,
): Promise<WsConn | undefined> {
  if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay();
  let late: WsHandshakeError | undefined;
  let answered = false;
  const timer = setTimeout(() => {
    late = new WsHandshakeError(408, `No request within ${settings.handshakeTimeout} s`);
    const closed = () => closeNow(conn);
    writeAll(conn, formatRefusal(late)).then(closed, closed);
  }, settings.handshakeTimeout * 1000);
  try {
    const reader = new HeadReader();
    const complete = await byClient(readHead(conn, reader)).finally(answering.onRead);
    if (!complete) {
      throw new WsHandshakeError(400, "The client closed the connection within its request");
    }
    clearTimeout(timer);
    const request = reader.request();
    checkHttp(request);
    if (answering.onRequest !== undefined && !isUpgrade(request)) {
      const response = await requestHandled(conn, request, reader.rest, answering);
      answered = true;
      await sendResponse(conn, request, response);
      return undefined;
    }
    return await upgrade(conn, request, reader.rest, settings);
  } catch (error) {
    if (late !== undefined) throw late;
    clearTimeout(timer);
    // what is not the client's doing is a bug in a function of the user's, or the client has gone
    if (!answered) await refuse(conn, toRefusal(error));
    closeNow(conn);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function upgrade(
  conn: Deno.Conn,
  request: RequestHead,
  rest: Uint8Array,
  { choose, limits }: AcceptSettings,
): Promise<WsConn> {
  const key = checkRequest(request);
  const offered = offeredProtocols(request.headers);
  const protocol = offered.length > 0 ? choose(offered) ?? "" : "";
  if (protocol !== "" && !offered.includes(protocol)) {
    throw new TypeError(`Cannot choose subprotocol "${protocol}": the client offers ${offered}`);
  }
  await byClient(writeAll(conn, formatResponse(key, protocol, new Headers())));
  return new WsConn(conn, {
    line: request.line,
    headers: request.headers,
    protocol,
    extensions: "",
    rest,
    framing: (events) => new Rfc6455Protocol("server", events, limits),
  }, limits);
}

function requestHandled(
  conn: Deno.Conn,
  head: RequestHead,
  rest: Uint8Array,
  { onRequest, secure }: Answering,
): Response | Promise<Response> {
  const decoder = new BodyDecoder(head, false);
  return onRequest!(toRequest(head, secure, decoder.done ? null : readBody(conn, decoder, rest)));
}

async function sendResponse(
  conn: Deno.Conn,
  { method }: RequestHead,
  response: Response,
): Promise<void> {
  await byClient(writeAll(conn, formatResponseHead(response)));
  if (method !== "HEAD" && response.body !== null) {
    for await (const chunk of response.body) await byClient(writeAll(conn, chunk));
  } else await response.body?.cancel();
  await closeGently(conn);
}

/** Makes a failure of the connection an error of the handshake, to be told from one of the user's functions. */
async function byClient<T>(io: Promise<T>): Promise<T> {
  try {
    return await io;
  } catch (cause) {
    if (cause instanceof WsHandshakeError) throw cause;
    const message = `The connection failed within the handshake: ${(cause as Error).message}`;
    throw new WsHandshakeError(400, message, { cause });
  }
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
