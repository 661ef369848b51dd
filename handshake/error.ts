/**
 * The opening handshake failed: on a client because the server, or the proxy before it, refused
 * or answered wrongly, on a server because the
 * request was refused ({@link https://www.rfc-editor.org/rfc/rfc6455#section-4 | RFC 6455 §4}).
 *
 * @example
 * ```ts
 * import { WsHandshakeError } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new WsHandshakeError(404, "Cannot connect: the server answered 404 Not Found");
 * assertEquals(error.status, 404);
 * assertEquals(error.body.length, 0);
 * ```
 */
export class WsHandshakeError extends Error {
  /** The HTTP status that the server answered; 0 if it sent none that could be understood. */
  readonly status: number;
  /** The headers of the answer. */
  readonly headers: Headers;
  /** The answer's body, at most its first 64 KiB. */
  readonly body: Uint8Array;

  /**
   * Makes the error.
   *
   * @param status The HTTP status of the answer, or 0.
   * @param message What was wrong.
   * @param options The rest of the answer, and the error that caused it, if there was one.
   */
  constructor(
    status: number,
    message: string,
    options: ErrorOptions & { headers?: HeadersInit | undefined; body?: Uint8Array } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WsHandshakeError";
    this.status = status;
    this.headers = new Headers(options.headers);
    this.body = options.body ?? new Uint8Array(0);
  }
}
