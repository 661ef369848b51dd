/** What a row of the conformance table says, and short names for what rows are made of. */
import { concat } from "@std/bytes";
import type { CloseInfo, Role, WsConn, WsConnOptions } from "../../mod.ts";
import type { Frame, Part } from "./octets.ts";

/** How what is sent is cut: at once, octet by octet, a part (mostly a frame) each, or in pieces of so many octets. */
export type Chop = "whole" | "octet by octet" | "part by part" | number;

/** A frame that must come back; its text may depend on who the system under test is. */
export type Back = Frame | ((sut: Role) => Frame);

/** The peer sends all of `send` and then reads `back`: exactly that, and not one octet more, before it goes on. */
export interface Turn {
  readonly send: readonly Part[];
  readonly back: readonly Back[];
  /** How this turn is cut, whatever the row says. */
  readonly chop?: Chop | undefined;
  /** What the application does before the peer sends. */
  readonly act?: (conn: WsConn) => void;
}

/**
 * How a row ends. "open": the connection has taken no harm; the peer closes it with 1000, and gets that back. "closed":
 * both Closes are exchanged; TCP is ended by the server. "failed": the system under test has sent a Close that nothing
 * of the peer's called for; it ends its half of TCP, `recv` throws. "lost": the peer ends TCP without a Close.
 */
export type End =
  | { readonly how: "open" | "lost" }
  | { readonly how: "closed"; readonly info: CloseInfo }
  | { readonly how: "failed"; readonly code: number };

/** What may be told of a row besides its turns. */
export interface Extra {
  /** What is exchanged before, to show that the connection is in order. */
  readonly before?: readonly Turn[];
  /** What is sent part by part after the last frame has come back, and must be ignored. */
  readonly late?: readonly Part[];
  /** The ways to cut, each of them a connection of its own. Default: whole, and octet by octet. */
  readonly chops?: readonly Chop[];
  /** Options of the system under test. */
  readonly options?: WsConnOptions;
}

/** A row without its number. */
export interface Case extends Omit<Extra, "before"> {
  readonly name: string;
  /** Of RFC 6455. */
  readonly section: string;
  readonly turns: readonly Turn[];
  readonly end: End;
}

/** A row of the table: everything the peer sends, everything that must come back, and how it ends. */
export interface Row extends Case {
  readonly id: string;
}

/** Numbers the cases of a section. */
export function numbered(section: string, cases: readonly Case[]): Row[] {
  return cases.map((row, index) => ({ id: `${section}.${index + 1}`, ...row }));
}

const encoder = new TextEncoder();

/** The octets of a text, or of what is octets already. */
export function octets(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? encoder.encode(payload) : payload;
}

/** A frame by its first octet. */
export function frame(first: number, payload: string | Uint8Array = ""): Frame {
  return { first, payload: octets(payload) };
}

/** A text message in one frame. */
export const text = (payload: string | Uint8Array = ""): Frame => frame(0x81, payload);
/** A binary message in one frame. */
export const binary = (payload: string | Uint8Array = ""): Frame => frame(0x82, payload);
/** The same frame as the first of several. */
export const open = (first: Frame): Frame => ({ ...first, first: first.first & 0x7f });
/** A continuation that is not the last. */
export const more = (payload: string | Uint8Array = ""): Frame => frame(0x00, payload);
/** The last continuation. */
export const last = (payload: string | Uint8Array = ""): Frame => frame(0x80, payload);
/** A Ping. */
export const ping = (payload: string | Uint8Array = ""): Frame => frame(0x89, payload);
/** A Pong. */
export const pong = (payload: string | Uint8Array = ""): Frame => frame(0x8a, payload);

/** A Close; without a code its payload is empty. */
export function close(code?: number, reason: string | Uint8Array = ""): Frame {
  const status = code === undefined ? [] : [code >> 8, code & 0xff];
  return frame(0x88, concat([Uint8Array.from(status), octets(reason)]));
}

/** A frame in parts, cut at these offsets of its payload; the first part has the header. */
export function cut(whole: Frame, ...offsets: number[]): Frame[] {
  const key = whole.key ?? [0xa1, 0x5b, 0xf0, 0x0d];
  return [...offsets, whole.payload.length].map((to, index) => ({
    ...whole,
    key,
    slice: [index === 0 ? -1 : offsets[index - 1]!, to],
  }));
}

/** A message in fragments of these payloads. */
export function fragments(whole: Frame, payloads: readonly (string | Uint8Array)[]): Frame[] {
  return payloads.map((payload, index) => ({
    first: (index === 0 ? whole.first & 0x0f : 0) | (index === payloads.length - 1 ? 0x80 : 0),
    payload: octets(payload),
  }));
}

/** A payload in pieces of `size` octets. */
export function pieces(payload: Uint8Array, size: number): Uint8Array[] {
  return Array.from(
    { length: Math.max(Math.ceil(payload.length / size), 1) },
    (_, index) => payload.subarray(index * size, (index + 1) * size),
  );
}

/** The connection takes what is sent, answers with `back`, and stays open. */
export function answers(
  name: string,
  section: string,
  send: readonly Part[],
  back: readonly Frame[],
  { before = [], ...extra }: Extra = {},
): Case {
  return { name, section, turns: [...before, { send, back }], end: { how: "open" }, ...extra };
}

/** A reason to fail the connection: the close code, and the text that the library says it with. */
export type Violation = readonly [code: number, reason: string | Readonly<Record<Role, string>>];

/** The Close of a connection that is failed: which code, and exactly which words. */
export function closeFor([code, reason]: Violation): Back {
  return (sut) => close(code, typeof reason === "string" ? reason : reason[sut]);
}

/** What is sent makes the connection fail, RFC 6455 §7.1.7: a Close comes back at once, and nothing else ever. */
export function fails(
  name: string,
  section: string,
  send: readonly Part[],
  violation: Violation,
  { before = [], ...extra }: Extra = {},
): Case {
  return {
    name,
    section,
    turns: [...before, { send, back: [closeFor(violation)] }],
    end: { how: "failed", code: violation[0] },
    ...extra,
  };
}

/** Every way in which the library says that the peer broke a rule. */
export const VIOLATION = {
  mask: [1002, {
    server: "Frame from the client is not masked",
    client: "Frame from the server is masked",
  }],
  rsv1: [1002, "Reserved bit RSV1 is set"],
  rsv23: [1002, "Reserved bit RSV2 or RSV3 is set"],
  controlFragmented: [1002, "Control frame is fragmented"],
  controlTooLong: [1002, "Control frame has a payload of more than 125 bytes"],
  lengthIn2: [1002, "Payload length used 2 bytes when none would have sufficed"],
  lengthIn8: [1002, "Payload length used 8 bytes when 2 would have sufficed"],
  lengthSign: [1002, "Payload length has its most significant bit set"],
  lengthUnsafe: [1009, "Payload length is over 2^53 − 1"],
  strayContinuation: [1002, "Continuation frame without a message to continue"],
  messageWithin: [1002, "New message begins within a fragmented one"],
  closeOfOneByte: [1002, "Close frame has a payload of 1 byte, a close code takes 2"],
  closeReason: [1007, "Close frame has a reason that is not valid UTF-8"],
  notUtf8: [1007, "Text message is not valid UTF-8"],
  cutUtf8: [1007, "Text message ends within a UTF-8 character"],
} satisfies Record<string, Violation>;

/** An opcode without a meaning. */
export const reservedOpcode = (opcode: number): Violation => [1002, `Opcode ${opcode} is reserved`];
/** A close code that may not be sent. */
export const wrongCode = (code: number): Violation => [
  1002,
  `Close frame has code ${code}, which may not be sent`,
];
/** A message over the limit. */
export const tooBig = (length: number, limit: number): Violation => [
  1009,
  `Message of ${length} bytes or more: at most ${limit} are taken`,
];
