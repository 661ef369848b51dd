import {
  checkAnswer,
  type DeflateParameters,
  type DeflateSettings,
  formatOffer,
} from "./deflate.ts";
import { WsHandshakeError } from "./error.ts";
import {
  type Fields,
  formatHead,
  isToken,
  listHas,
  listOf,
  type RequestHead,
  type ResponseHead,
} from "./head.ts";

/** Headers of the opening handshake that are not a user's to set. */
const RESERVED = [
  "connection",
  "content-length",
  "sec-websocket-accept",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "transfer-encoding",
  "upgrade",
];

/** A fresh `Sec-WebSocket-Key`: 16 random bytes in base64 (RFC 6455 §4.1, item 7). */
export function generateKey(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
}

/** What a key is hashed with (RFC 6455 §1.3). */
export const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * The `Sec-WebSocket-Accept` that a server has to answer `key` with (RFC 6455 §4.1), for clients: a server's `acceptKey`
 * takes a thirtieth of the time, once 15 ms have passed in which `node:crypto` is loaded.
 */
export async function expectedAccept(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key + ACCEPT_GUID));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/** Throws a `TypeError` if a user's headers contain one that the handshake itself sets. */
export function assertNoReserved(headers: Headers): void {
  for (const name of RESERVED) {
    if (headers.has(name)) throw new TypeError(`Cannot set header ${name}: the handshake sets it`);
  }
}

/** Throws a `SyntaxError` unless `protocols` are distinct tokens (RFC 6455 §4.1, item 10). */
export function assertProtocols(protocols: readonly string[]): void {
  protocols.forEach((protocol, index) => {
    if (!isToken(protocol)) {
      throw new SyntaxError(
        `Cannot offer subprotocol ${JSON.stringify(protocol)}: it is not a token`,
      );
    }
    if (protocols.indexOf(protocol) !== index) {
      throw new SyntaxError(`Cannot offer subprotocol ${JSON.stringify(protocol)} twice`);
    }
  });
}

/** The bytes of a client's opening request (RFC 6455 §4.1). */
export function formatRequest(
  url: URL,
  key: string,
  protocols: readonly string[],
  headers: Headers,
  compression?: DeflateSettings,
): Uint8Array {
  const fields: [string, string][] = [
    ["Host", headers.get("host") ?? url.host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", key],
    ["Sec-WebSocket-Version", "13"],
  ];
  if (protocols.length > 0) fields.push(["Sec-WebSocket-Protocol", protocols.join(", ")]);
  if (compression) fields.push(["Sec-WebSocket-Extensions", formatOffer(compression)]);
  for (const field of headers) if (field[0] !== "host") fields.push(field);
  return formatHead(`GET ${url.pathname}${url.search} HTTP/1.1`, fields);
}

/**
 * Checks a server's answer to {@linkcode formatRequest} once its status is known to be 101 (RFC 6455 §4.1, the
 * numbered list at its end); `expected` is the `Sec-WebSocket-Accept` that proves it.
 *
 * @returns The subprotocol that the server chose, or "", and the compression that it agreed to.
 * @throws {WsHandshakeError} If the client must fail the connection.
 */
export function checkResponse(
  response: ResponseHead,
  expected: string,
  protocols: readonly string[],
  compression?: DeflateSettings,
): { protocol: string; extensions: string; deflate?: DeflateParameters } {
  const { headers, status } = response;
  const fail = (message: string) => new WsHandshakeError(status, message, { headers });
  const upgrade = headers.get("upgrade");
  if (upgrade?.toLowerCase() !== "websocket") {
    throw fail(`The server's Upgrade header is ${show(upgrade)}, expected "websocket"`);
  }
  if (!listHas(headers, "connection", "upgrade")) {
    throw fail(
      `The server's Connection header is ${show(headers.get("connection"))}, expected "Upgrade"`,
    );
  }
  const accept = headers.get("sec-websocket-accept");
  if (accept !== expected) {
    throw fail(`The server's Sec-WebSocket-Accept is ${show(accept)}, expected "${expected}"`);
  }
  const extensions = headers.get("sec-websocket-extensions");
  if (extensions !== null && compression === undefined) {
    throw fail(`The server answered with extensions that were not offered: ${show(extensions)}`);
  }
  const protocol = headers.get("sec-websocket-protocol");
  if (protocol !== null && !protocols.includes(protocol)) {
    throw fail(`The server chose a subprotocol that was not offered: ${show(protocol)}`);
  }
  if (extensions === null || compression === undefined) {
    return { protocol: protocol ?? "", extensions: "" };
  }
  try {
    return {
      protocol: protocol ?? "",
      extensions,
      deflate: checkAnswer(extensions, compression),
    };
  } catch (error) {
    throw fail((error as WsHandshakeError).message);
  }
}

/** RFC 9110 §7.2 and RFC 3986 §3.2.2: an IP literal or a name, and a port. Linear: no two parts can begin alike. */
const HOST = /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+;=-]|%[\da-f]{2})*)(?::\d*)?$/i;

/** Whether a request asks for a WebSocket at all; otherwise it is plain HTTP. */
export function isUpgrade({ fields }: RequestHead): boolean {
  return listHas(fields, "upgrade", "websocket");
}

/** Throws what any HTTP request must be refused with, WebSocket or not. */
export function checkHttp({ version, fields }: RequestHead): void {
  // RFC 6455 §4.2.1, item 1: HTTP/1.1 or higher; 2 and above are not spoken in this form.
  if (version < 11 || version > 19) {
    throw new WsHandshakeError(505, "HTTP version must be 1.1");
  }
  const host = fields.get("host");
  // RFC 9112 §3.2: a request without Host, with more than one (they stand here joined by ", "), or with one that is
  // not of this form, is refused.
  if (host === null || !HOST.test(host)) {
    throw new WsHandshakeError(400, "Request must have one Host header, of the form host:port");
  }
  // RFC 9112 §6.1: both together is how a request is smuggled past a proxy.
  if (fields.has("transfer-encoding") && fields.has("content-length")) {
    throw new WsHandshakeError(400, "Request has both Transfer-Encoding and Content-Length");
  }
}

/**
 * Checks what openings of all versions have in common (RFC 6455 §4.2.1, hybi-00 §5.1), after {@linkcode checkHttp}.
 *
 * @throws {WsHandshakeError} With the status and headers to refuse it with.
 */
export function checkOpening(request: RequestHead): void {
  const { method, fields } = request;
  if (method !== "GET") {
    throw new WsHandshakeError(405, `Method is ${method}, a WebSocket is opened with GET`, {
      headers: { allow: "GET" },
    });
  }
  if (!isUpgrade(request)) {
    throw new WsHandshakeError(426, "This is a WebSocket endpoint", {
      headers: { upgrade: "websocket" },
    });
  }
  if (!listHas(fields, "connection", "upgrade")) {
    throw new WsHandshakeError(400, "Connection header must contain Upgrade");
  }
}

/**
 * Checks a client's opening request (RFC 6455 §4.2.1), after {@linkcode checkOpening}.
 *
 * @returns Its `Sec-WebSocket-Key`.
 * @throws {WsHandshakeError} With the status and headers to refuse it with.
 */
export function checkRequest({ fields }: RequestHead): string {
  if (fields.get("sec-websocket-version") !== "13") {
    // RFC 6455 §4.2.2 and §4.4
    throw new WsHandshakeError(426, "Sec-WebSocket-Version must be 13", {
      headers: { upgrade: "websocket", "sec-websocket-version": "13" },
    });
  }
  const key = fields.get("sec-websocket-key");
  // RFC 6455 §4.2.1, item 5. Two keys stand here as one, joined by a comma, which is not base64.
  if (key === null || !isKey(key)) {
    throw new WsHandshakeError(400, "Sec-WebSocket-Key must be the base64 of 16 bytes");
  }
  // A body would be read as frames, by this server or by a proxy before it.
  if (fields.has("transfer-encoding") || (fields.get("content-length") ?? "0") !== "0") {
    throw new WsHandshakeError(400, "An opening request cannot have a body");
  }
  return key;
}

function isKey(key: string): boolean {
  return /^[\w+/]{22}==$/.test(key) && !key.includes("_"); // RFC 4648 §4
}

/** The subprotocols that a client offers, in its order (RFC 6455 §4.2.1, item 8). */
export function offeredProtocols(fields: Fields): string[] {
  return listOf(fields, "sec-websocket-protocol");
}

/** The bytes of a server's answer that opens the connection (RFC 6455 §4.2.2); `accept` proves that it read the key. */
export function formatResponse(
  accept: string,
  protocol: string,
  extensions: string,
  headers?: Headers,
): Uint8Array {
  const fields: [string, string][] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", accept],
  ];
  if (protocol !== "") fields.push(["Sec-WebSocket-Protocol", protocol]);
  if (extensions !== "") fields.push(["Sec-WebSocket-Extensions", extensions]);
  return formatHead(
    "HTTP/1.1 101 Switching Protocols",
    headers === undefined ? fields : [...fields, ...headers],
  );
}

function show(value: string | null): string {
  return value === null ? "missing" : JSON.stringify(value);
}
