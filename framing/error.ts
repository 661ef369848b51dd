/**
 * The peer broke the protocol, or went over a limit, and the connection was failed.
 *
 * Thrown by `recv()` once the messages that arrived before are taken. Implements
 * {@link https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7 | RFC 6455 §7.1.7}.
 *
 * @example
 * ```ts
 * import { WsProtocolError } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new WsProtocolError(1002, "Reserved opcode 3");
 * assertEquals(error.closeCode, 1002);
 * ```
 */
export class WsProtocolError extends Error {
  /** The close code that was sent to the peer: 1002, 1003, 1007, 1009 … (RFC 6455 §7.4.1). */
  readonly closeCode: number;

  /**
   * Makes the error.
   *
   * @param closeCode The close code that says what kind of violation it was.
   * @param message What the peer did.
   * @param options The error that caused it, if there was one.
   */
  constructor(closeCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WsProtocolError";
    this.closeCode = closeCode;
  }
}
