/** Category 7: the closing handshake. */
import type { CloseInfo } from "../../mod.ts";
import { unhex } from "../helpers/bytes.ts";
import type { Frame, Part } from "./octets.ts";
import {
  type Case,
  close,
  cut,
  type Extra,
  fails,
  frame,
  last,
  numbered,
  open,
  ping,
  pong,
  type Row,
  text,
  VIOLATION,
  wrongCode,
} from "./rows.ts";

const LATE = [ping("late"), text("late")];

function clean(code: number, reason = ""): CloseInfo {
  return { code, reason, wasClean: true };
}

/** The peer's Close comes back as it was, and ends the connection. */
function closes(
  name: string,
  section: string,
  send: readonly Part[],
  info: CloseInfo,
  { before = [], ...extra }: Extra = {},
): Case {
  const back = send.filter((part): part is Frame => "first" in part && part.first === 0x88)[0]!;
  return {
    name,
    section,
    turns: [...before, { send, back: [back] }],
    end: { how: "closed", info },
    ...extra,
  };
}

function valid(): Case[] {
  const named = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  return [...named, 3000, 3001, 3999, 4000, 4001, 4999].flatMap((code) => [
    closes(`Close with code ${code}`, "§7.4", [close(code)], clean(code)),
    closes(
      `Close with code ${code} and a reason`,
      "§7.4",
      [close(code, "because")],
      clean(code, "because"),
    ),
  ]);
}

function invalid(): Case[] {
  const reserved = [1004, 1005, 1006, 1015];
  const unassigned = [1016, 1017, 1100, 1999, 2000, 2999];
  const outside = [0, 1, 100, 500, 999, 5000, 9999, 32768, 65534, 65535];
  return [...reserved, ...unassigned, ...outside].flatMap((code) => [
    fails(`Close with code ${code}`, "§7.4", [close(code)], wrongCode(code), { late: LATE }),
    fails(`Close with code ${code} and a reason`, "§7.4", [close(code, "why")], wrongCode(code), {
      late: LATE,
    }),
  ]);
}

function payloads(): Case[] {
  const longest = "€".repeat(41);
  const bad = ["ff", "80", "c0af", "e080af", "eda080", "f4908080", "e282", "f09d84", "c3"];
  return [
    closes("Close without a payload", "§7.1.5", [close()], clean(1005)),
    closes("Close with a reason of one octet", "§5.5.1", [close(1000, "x")], clean(1000, "x")),
    closes(
      "Close with a reason of 122 octets",
      "§5.5.1",
      [close(1000, "x".repeat(122))],
      clean(1000, "x".repeat(122)),
    ),
    closes(
      "Close with a reason of 123 octets, the longest",
      "§5.5.1",
      [close(1000, longest)],
      clean(1000, longest),
    ),
    closes(
      "Close with a reason that begins with a byte order mark",
      "§5.5.1",
      [close(1000, "\ufeffκόσμε\0\ufffe")],
      clean(1000, "\ufeffκόσμε\0\ufffe"),
    ),
    ...[0, 3, 0x7f, 0xff].map((octet) =>
      fails(
        `Close with one octet, ${octet}`,
        "§5.5.1",
        [frame(0x88, Uint8Array.of(octet))],
        VIOLATION.closeOfOneByte,
        { late: LATE },
      )
    ),
    ...[124, 125, 65535].map((length) => {
      const [head, body] = cut(close(1000, "x".repeat(length)), 0);
      return fails(
        `Close with a reason of ${length} octets: certain with the header`,
        "§5.5",
        [head!],
        VIOLATION.controlTooLong,
        { late: [body!, ...LATE], chops: ["whole", "part by part"] },
      );
    }),
    ...bad.flatMap((octets) =>
      [unhex(octets), unhex(`${"61".repeat(100)}${octets}`)].map((reason) =>
        fails(
          `Close with a reason of ${reason.length} octets that is no UTF-8: ${octets} at its end`,
          "§8.1",
          [close(1000, reason)],
          VIOLATION.closeReason,
          { late: LATE },
        )
      )
    ),
  ];
}

/** Whatever stands behind a Close is ignored, be it ever so wrong. */
function behindClose(): Case[] {
  const behind: [string, Part[]][] = [
    ["a Ping", [ping("late")]],
    ["a Pong", [pong("late")]],
    ["a text", [text("late")]],
    ["a fragmented message with a Ping", [open(text("la")), ping("late"), last("te")]],
    ["the same Close again", [close(1000, "bye")]],
    ["another Close", [close(4000, "other")]],
    ["a Close of one octet", [frame(0x88, "x")]],
    ["a Close with code 1006", [close(1006)]],
    ["a text that is no UTF-8", [text(Uint8Array.of(0xff))]],
    ["a continuation of nothing", [last("late")]],
    ["reserved bits", [frame(0xf1, "late")]],
    ["a reserved opcode", [frame(0x8f, "late")]],
    ["a text with the wrong masking", [{ ...text("late"), wronglyMasked: true }]],
    ["a text over every limit", [{ ...text("late"), announced: 2n ** 63n }]],
    ["octets that are no frame", [unhex("ffffffffffffffffffffffffffffffff")]],
  ];
  return behind.flatMap(([name, parts]) => [
    closes(
      `${name} behind a Close is ignored`,
      "§5.5.1",
      [close(1000, "bye"), ...parts],
      clean(1000, "bye"),
    ),
    closes(
      `${name} behind a Close without a code is ignored`,
      "§5.5.1",
      [close(), ...parts],
      clean(1005),
    ),
  ]);
}

function withinMessages(): Case[] {
  const before = (...send: Part[]) => ({ before: [{ send, back: [] }] });
  const [head, some] = cut(text("x".repeat(1000)), 0, 500);
  return [
    closes("Close behind a message", "§7.1.2", [close(1000)], clean(1000), {
      before: [{ send: [text("Hello")], back: [text("Hello")] }],
    }),
    {
      name: "Close together with a message before it: the echo, and then the Close",
      section: "§5.5.1",
      turns: [{ send: [text("Hello"), close(1000)], back: [text("Hello"), close(1000)] }],
      end: { how: "closed", info: clean(1000) },
      chops: ["whole", "octet by octet"],
    },
    closes(
      "Close within a fragmented message: it is dropped",
      "§5.5.1",
      [close(1000), last("late")],
      clean(1000),
      before(open(text("a"))),
    ),
    closes(
      "Close behind an empty fragment",
      "§5.5.1",
      [close(1001)],
      clean(1001),
      before(open(text())),
    ),
    closes(
      "Close within a character that fragments cut",
      "§5.5.1",
      [close(1000)],
      clean(1000),
      before(open(text(Uint8Array.of(0xe2)))),
    ),
    {
      name: "TCP ends without a Close",
      section: "§7.1.5",
      turns: [{ send: [text("a")], back: [text("a")] }],
      end: { how: "lost" },
    },
    {
      name: "TCP ends within a fragmented message",
      section: "§7.1.5",
      turns: [{ send: [open(text("a")), ping("b")], back: [pong("b")] }],
      end: { how: "lost" },
    },
    {
      name: "TCP ends within a header",
      section: "§7.1.5",
      turns: [{ send: [Uint8Array.of(0x81)], back: [] }],
      end: { how: "lost" },
    },
    {
      name: "TCP ends within a payload",
      section: "§7.1.5",
      turns: [{ send: [head!, some!], back: [] }],
      end: { how: "lost" },
      chops: ["whole", 100],
    },
  ];
}

/** The application closes first: what still arrives is discarded, and the peer's Close gets no answer. */
function closedByUs(): Case[] {
  const act: NonNullable<Case["turns"][number]["act"]> = (conn) => void conn.close(1001, "enough");
  const closing = { act, send: [], back: [close(1001, "enough")] };
  const LONG = "a message of 100,000 octets";
  const discarded: [string, Part[]][] = [
    ["nothing", []],
    ["a text", [text("late")]],
    ["a Ping", [ping("late")]],
    ["a fragmented message", [open(text("la")), ping("te"), last("te")]],
    ["a text that is no UTF-8", [text(Uint8Array.of(0xff))]],
    [LONG, [frame(0x82, new Uint8Array(100_000))]],
  ];
  return [
    ...discarded.map(([name, parts]): Case => ({
      name: `closing first: ${name} before the peer's Close is discarded`,
      section: "§7.1.2",
      turns: [closing, { send: [...parts, close(1001, "enough")], back: [] }],
      end: { how: "closed", info: clean(1001, "enough") },
      chops: ["whole", name === LONG ? 10_007 : "octet by octet"],
    })),
    {
      name: "closing first, within a fragmented message",
      section: "§7.1.2",
      turns: [
        { send: [open(text("a"))], back: [] },
        closing,
        { send: [last("rest"), close(4000, "other")], back: [] },
      ],
      end: { how: "closed", info: clean(4000, "other") },
    },
    {
      name: "closing first: the peer's Close has no code",
      section: "§7.1.5",
      turns: [closing, { send: [close(), text("late")], back: [] }],
      end: { how: "closed", info: clean(1005) },
    },
    {
      name: "closing first: the peer breaks the protocol instead of answering",
      section: "§7.1.7",
      turns: [closing, { send: [frame(0x8f, "?")], back: [] }],
      end: { how: "closed", info: { code: 1006, reason: "", wasClean: false } },
    },
  ];
}

/** Category 7 of the table. */
export const CLOSE: Row[] = [
  ...numbered("7.1", valid()),
  ...numbered("7.2", invalid()),
  ...numbered("7.3", payloads()),
  ...numbered("7.4", behindClose()),
  ...numbered("7.5", withinMessages()),
  ...numbered("7.6", closedByUs()),
];
