import { concat } from "@std/bytes/concat";
import { WsHandshakeError } from "./error.ts";
import { formatHead, type RequestHead } from "./head.ts";
import { requestUrl } from "./url.ts";

const STATUS_TEXT: Record<number, string> = {
  400: "Bad Request",
  403: "Forbidden",
  405: "Method Not Allowed",
  408: "Request Timeout",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/** The whole answer to a request that is refused: status, headers, and the reason as text. */
export function formatRefusal({ status, headers, message }: WsHandshakeError): Uint8Array {
  const body = new TextEncoder().encode(message + "\n");
  return concat([
    formatHead(`HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? ""}`, [
      ...headers,
      ["Content-Type", "text/plain; charset=utf-8"],
      ["Content-Length", `${body.length}`],
      ["Connection", "close"],
    ]),
    body,
  ]);
}

/**
 * The head of the answer to a plain HTTP request. Its body goes up to the end of the connection, which is closed
 * after every answer (RFC 9112 §6.3, item 8).
 */
export function formatResponseHead({ status, statusText, headers, body }: Response): Uint8Array {
  const fields = [...headers].filter(([name]) =>
    name !== "connection" && name !== "transfer-encoding" && name !== "keep-alive"
  );
  if (body === null && status !== 204 && status !== 304 && !headers.has("content-length")) {
    fields.push(["content-length", "0"]);
  }
  const text = statusText || (STATUS_TEXT[status] ?? (status === 200 ? "OK" : ""));
  return formatHead(`HTTP/1.1 ${status} ${text}`, [...fields, ["connection", "close"]]);
}

/** The request as a handler of plain HTTP takes it. */
export function toRequest(
  head: RequestHead,
  secure: boolean,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
): Request {
  try {
    const { method, headers } = head;
    return new Request(requestUrl(head, "http", secure), { method, headers, body });
  } catch (error) {
    if (error instanceof WsHandshakeError) throw error;
    // what fetch forbids: CONNECT, TRACE, or a GET with a body
    throw new WsHandshakeError(400, "Request cannot be served", { cause: error });
  }
}
