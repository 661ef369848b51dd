import { WsProtocolError } from "./error.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/**
 * The close codes that have a name ({@link https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 | RFC 6455 §7.4.1}
 * and the IANA registry). 3000–3999 are registered by libraries, 4000–4999 are free for applications.
 *
 * @example
 * ```ts
 * import { CloseCode } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(CloseCode.GoingAway, 1001);
 * ```
 */
export const CloseCode = {
  Normal: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  /** Never sent: stands for a Close frame without a code. */
  NoStatus: 1005,
  /** Never sent: stands for a connection lost without a Close frame. */
  Abnormal: 1006,
  InvalidPayload: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014,
} as const;

/**
 * How a connection ended: the code and reason of the peer's Close frame, or 1005 when the frame had none, or 1006
 * when there was no Close frame at all ({@link https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5 | RFC 6455 §7.1.5}).
 */
export interface CloseInfo {
  /** The close code. */
  readonly code: number;
  /** The reason, "" when none was given. */
  readonly reason: string;
  /** Whether both sides sent a Close frame (RFC 6455 §7.1.4). */
  readonly wasClean: boolean;
}

/** Whether `code` may stand in a Close frame: what RFC 6455 §7.4.1–2 and the IANA registry define. */
function isWireCode(code: number): boolean {
  return Number.isInteger(code) &&
    ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
      (code >= 3000 && code <= 4999));
}

/**
 * The payload of a Close frame: two bytes of code, then the reason ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1 | RFC 6455 §5.5.1}).
 *
 * @param code The close code, or 1005 for an empty payload.
 * @param reason Why, in at most 123 bytes of UTF-8.
 * @returns The payload.
 * @throws {RangeError} If the code may not be sent, or the reason is too long.
 *
 * @example
 * ```ts
 * import { encodeClose } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(encodeClose(1000, "ok"), Uint8Array.of(3, 232, 111, 107));
 * ```
 */
export function encodeClose(code: number, reason = ""): Uint8Array<ArrayBuffer> {
  if (code === CloseCode.NoStatus && reason === "") return new Uint8Array(0);
  if (!isWireCode(code)) {
    const why = code === 1004 || code === 1005 || code === 1006 || code === 1015
      ? "it is reserved and never sent"
      : "codes are 1000–1003, 1007–1014 and 3000–4999";
    throw new RangeError(`Cannot close with code ${code}: ${why}`);
  }
  const text = encodeUtf8(reason);
  // RFC 6455 §5.5: control frames carry at most 125 bytes, two of which are the code.
  if (text.length > 123) {
    throw new RangeError(
      `Cannot close with a reason of ${text.length} bytes: at most 123 fit into a Close frame`,
    );
  }
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return payload;
}

/**
 * Reads the payload of a Close frame ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1 | RFC 6455 §5.5.1}).
 *
 * @param payload The payload of the frame.
 * @returns The code (1005 if the payload is empty) and the reason.
 * @throws {WsProtocolError} If it is one byte long, its code may not be sent, or its reason is not UTF-8.
 *
 * @example
 * ```ts
 * import { decodeClose } from "@wsconn/ws/framing";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decodeClose(Uint8Array.of(3, 232, 111, 107)), { code: 1000, reason: "ok" });
 * assertEquals(decodeClose(new Uint8Array()), { code: 1005, reason: "" });
 * ```
 */
export function decodeClose(payload: Uint8Array): { code: number; reason: string } {
  if (payload.length === 0) return { code: CloseCode.NoStatus, reason: "" };
  if (payload.length === 1) {
    throw new WsProtocolError(1002, "Close frame has a payload of 1 byte, a close code takes 2");
  }
  const code = payload[0]! << 8 | payload[1]!;
  if (!isWireCode(code)) {
    throw new WsProtocolError(1002, `Close frame has code ${code}, which may not be sent`);
  }
  const reason = decodeUtf8(payload.subarray(2));
  // RFC 6455 §8.1
  if (reason === undefined) {
    throw new WsProtocolError(1007, "Close frame has a reason that is not valid UTF-8");
  }
  return { code, reason };
}
