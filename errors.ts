import type { CloseInfo } from "./framing/mod.ts";

/**
 * The connection ended without a Close frame: the peer vanished, reset the connection, or did not answer in time
 * (close code 1006, {@link https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5 | RFC 6455 §7.1.5}). `cause` holds the
 * error of the transport, if there was one.
 *
 * @example
 * ```ts
 * import { WsConnectionLost } from "@wsconn/ws";
 * import { assert } from "@std/assert";
 *
 * assert(new WsConnectionLost("The peer went away") instanceof Error);
 * ```
 */
export class WsConnectionLost extends Error {
  /**
   * Makes the error.
   *
   * @param message What happened.
   * @param options The error of the transport, as `cause`.
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WsConnectionLost";
  }
}

/** The error for a connection that ended without a Close frame, because of `cause` if there was an error. */
export function connectionLost(cause: unknown): WsConnectionLost {
  const message = cause instanceof Error
    ? `The connection was lost: ${cause.message}`
    : "The peer ended the connection without a Close frame";
  return new WsConnectionLost(message, { cause });
}

/**
 * Something was to be sent, but the connection is closed or closing, from this side or from the other; or `wsReconnect`
 * does not connect again after the peer's Close.
 *
 * @example
 * ```ts
 * import { WsConnectionClosed } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new WsConnectionClosed({ code: 1000, reason: "bye", wasClean: true });
 * assertEquals(error.message, 'Cannot send: the connection is closed (1000 "bye")');
 * ```
 */
export class WsConnectionClosed extends Error {
  /** The peer's Close frame, if it has arrived. */
  readonly closeInfo: CloseInfo | undefined;

  /**
   * Makes the error.
   *
   * @param closeInfo The peer's Close frame, if it has arrived.
   * @param options The error that ended the connection, as `cause`; another `message`, to which the Close is added.
   */
  constructor(closeInfo?: CloseInfo, options: ErrorOptions & { message?: string } = {}) {
    const { message = "Cannot send: the connection is closed" } = options;
    const why = closeInfo === undefined
      ? ""
      : ` (${closeInfo.code} ${JSON.stringify(closeInfo.reason)})`;
    super(message + why, options);
    this.name = "WsConnectionClosed";
    this.closeInfo = closeInfo;
  }
}

/** Tells the user's `onError`; what it throws itself nobody else could take care of. */
export function report(onError: (error: unknown) => void, error: unknown): void {
  try {
    onError(error);
  } catch (thrown) {
    console.error(thrown);
  }
}
