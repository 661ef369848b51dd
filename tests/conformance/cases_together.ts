/**
 * Category 8, a number that Autobahn has left free: a message, and a violation right behind it. Autobahn's 3.2, 3.3,
 * 4.1.3, 4.1.4, 4.2.3, 4.2.4 and 5.15 want the echo and then the Close, in whatever chops they arrive.
 */
import { unhex } from "../helpers/bytes.ts";
import type { Frame } from "./octets.ts";
import {
  type Case,
  closeFor,
  fragments,
  frame,
  last,
  more,
  numbered,
  ping,
  pong,
  reservedOpcode,
  type Row,
  text,
  VIOLATION,
  type Violation,
} from "./rows.ts";

const FINE = text("fine");

/** What is sent first, what that is answered with, and the violation behind it. */
const PAIRS: [string, Frame[], Frame[], Frame[], Violation][] = [
  ["text, RSV3", [FINE], [FINE], [frame(0x91, "x")], VIOLATION.rsv23],
  ["text, RSV2", [FINE], [FINE], [frame(0xa1, "x")], VIOLATION.rsv23],
  ["text, RSV1", [FINE], [FINE], [frame(0xc1, "x")], VIOLATION.rsv1],
  ["text, opcode 5", [FINE], [FINE], [frame(0x85)], reservedOpcode(5)],
  ["text, opcode 6", [FINE], [FINE], [frame(0x86, "x")], reservedOpcode(6)],
  ["text, opcode 13", [FINE], [FINE], [frame(0x8d)], reservedOpcode(13)],
  ["text, opcode 14", [FINE], [FINE], [frame(0x8e, "x")], reservedOpcode(14)],
  ["fragmented text, a continuation of nothing", fragments(text(), ["fi", "ne"]), [FINE], [
    more("stray"),
    text("x"),
  ], VIOLATION.strayContinuation],
  ["two texts, a Ping that is too long", [FINE, FINE], [FINE, FINE], [
    ping("x".repeat(126)),
  ], VIOLATION.controlTooLong],
  ["text, text that is no UTF-8", [FINE], [FINE], [text(unhex("61ff"))], VIOLATION.notUtf8],
];

function pair([name, send, back, bad, violation]: typeof PAIRS[number]): Case {
  return {
    name: `${name}: the echo, and then the Close`,
    section: "§7.1.7",
    turns: [{ send: [...send, ...bad, ping("late")], back: [...back, closeFor(violation)] }],
    end: { how: "failed", code: violation[0] },
  };
}

/** Category 8 of the table. */
export const TOGETHER: Row[] = [
  ...numbered(
    "8.1",
    PAIRS.map((row) => ({ ...pair(row), chops: ["whole", "octet by octet", "part by part"] })),
  ),
  ...numbered("8.2", [
    pair(["a Ping, a continuation of nothing", [ping("1")], [pong("1")], [
      last("stray"),
    ], VIOLATION.strayContinuation]),
  ]),
];
