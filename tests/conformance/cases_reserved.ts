/** Categories 3 and 4: the reserved bits, and the reserved opcodes. */
import type { Frame } from "./octets.ts";
import {
  binary,
  type Case,
  close,
  cut,
  fails,
  frame,
  last,
  more,
  numbered,
  open,
  ping,
  pong,
  reservedOpcode,
  type Row,
  text,
  type Turn,
  VIOLATION,
  type Violation,
} from "./rows.ts";

const ECHOED: Turn = { send: [text("before")], back: [text("before")] };
const BEGUN: Turn = { send: [open(text("begun"))], back: [] };
const LATE = [ping("late"), text("late")];

/** Each frame twice: at once, and octet by octet with its payload held back until the Close has come. */
function withAndWithoutPayload(
  name: string,
  bad: Frame,
  violation: Violation,
  before: Turn[],
): Case[] {
  const [head, body] = cut(bad, 0);
  return [
    fails(name, "§5.2", [bad, ...LATE], violation, { before, chops: ["whole"] }),
    fails(`${name}: certain with the header`, "§5.2", [head!], violation, {
      before,
      late: [body!, ...LATE],
      chops: ["octet by octet"],
    }),
  ];
}

const FRAMES: [string, Frame, Turn[]][] = [
  ["text", text("Hello"), []],
  ["text after a message", text("Hello"), [ECHOED]],
  ["binary", binary("Hello"), []],
  ["a first fragment", open(text("Hello")), []],
  ["a continuation", more("Hello"), [BEGUN]],
  ["the last continuation", last("Hello"), [BEGUN]],
  ["Close", close(1000), []],
  ["Ping", ping("Hello"), []],
  ["Ping within a fragmented message", ping("Hello"), [BEGUN]],
  ["Pong", pong("Hello"), []],
];

/** All combinations of RSV1–3, as they stand in the first octet. */
const BITS = [1, 2, 3, 4, 5, 6, 7].map((bits) => bits << 4);

function nameOf(bits: number): string {
  return [0x40, 0x20, 0x10].flatMap((bit, at) => bits & bit ? [`RSV${at + 1}`] : []).join(" + ");
}

function reservedBits(bits: number): Case[] {
  const violation = bits === 0x40 ? VIOLATION.rsv1 : VIOLATION.rsv23;
  return FRAMES.flatMap(([name, whole, before]) => {
    const bad = { ...whole, first: whole.first | bits };
    return withAndWithoutPayload(`${nameOf(bits)} on ${name}`, bad, violation, before);
  });
}

function reservedOpcodes(opcode: number): Case[] {
  const frames: [string, Frame, Turn[]][] = [
    ["", frame(0x80 | opcode, "Hello"), []],
    [", not final", frame(opcode, "Hello"), []],
    [", empty", frame(0x80 | opcode), []],
    [", of 126 octets", frame(0x80 | opcode, "x".repeat(126)), []],
    [" after a message", frame(0x80 | opcode, "Hello"), [ECHOED]],
    [" within a fragmented message", frame(0x80 | opcode, "Hello"), [BEGUN]],
  ];
  return frames.flatMap(([name, bad, before]) =>
    withAndWithoutPayload(`opcode ${opcode}${name}`, bad, reservedOpcode(opcode), before)
  );
}

/** Category 3 of the table. */
export const RESERVED_BITS: Row[] = BITS.flatMap((bits, index) =>
  numbered(`3.${index + 1}`, reservedBits(bits))
);

/** Category 4 of the table. */
export const RESERVED_OPCODES: Row[] = [
  ...[3, 4, 5, 6, 7].flatMap((opcode, index) =>
    numbered(`4.1.${index + 1}`, reservedOpcodes(opcode))
  ),
  ...[11, 12, 13, 14, 15].flatMap((opcode, index) =>
    numbered(`4.2.${index + 1}`, reservedOpcodes(opcode))
  ),
];
