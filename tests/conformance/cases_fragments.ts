/** Category 5: fragmentation; and 10: messages in as many frames as a sender likes. */
import { unhex } from "../helpers/bytes.ts";
import type { Frame } from "./octets.ts";
import {
  answers,
  binary,
  type Case,
  close,
  cut,
  fails,
  fragments,
  frame,
  last,
  more,
  numbered,
  open,
  pieces,
  ping,
  pong,
  type Row,
  text,
  type Turn,
  VIOLATION,
} from "./rows.ts";
import { mixedText } from "./payloads.ts";

const KINDS = [["text", text], ["binary", binary]] as const;
const CHOPS = ["whole", "octet by octet", "part by part"] as const;
const X = "x".repeat(125);

const CUTS: [string, string[]][] = [
  ["two fragments", ["Hello", " World"]],
  ["three fragments", ["Hel", "lo ", "World"]],
  ["ten fragments", [..."0123456789"]],
  ["an empty first fragment", ["", "Hello"]],
  ["an empty fragment in the middle", ["Hel", "", "lo"]],
  ["an empty last fragment", ["Hello", ""]],
  ["empty first and last fragments", ["", "Hello", ""]],
  ["two empty fragments", ["", ""]],
  ["five empty fragments", ["", "", "", "", ""]],
  ["fragments of 125, 126 and 127 octets", [X, `${X}y`, `${X}yz`]],
];

function wholeFromParts(): Case[] {
  return KINDS.flatMap(([kind, make]) =>
    CUTS.map(([name, parts]) =>
      answers(
        `${kind} in ${name}`,
        "§5.4",
        fragments(make(), parts),
        [make(parts.join(""))],
        { chops: CHOPS },
      )
    )
  );
}

function controlBetween(): Case[] {
  const [a, b, c] = fragments(text(), ["a", "b", "c"]) as [Frame, Frame, Frame];
  const cases: [string, Frame[], Frame[]][] = [
    ["a Ping between two fragments", [a, ping("p"), c], [pong("p"), text("ac")]],
    ["a Pong between two fragments", [a, pong("p"), c], [text("ac")]],
    ["a Ping of 125 octets between two fragments", [a, ping(X), c], [pong(X), text("ac")]],
    [
      "Pings behind the second and fourth of five fragments",
      [a, b, ping("one"), b, b, ping("two"), c],
      [pong("one"), pong("two"), text("abbbc")],
    ],
    [
      "Pings and Pongs everywhere",
      [ping("1"), a, ping("2"), ping(), pong(), b, pong("x"), ping("3"), c],
      [pong("1"), pong("2"), pong(), pong("3"), text("abc")],
    ],
    [
      "a Ping that is no UTF-8 within a character that is cut",
      [
        open(text(unhex("e2"))),
        ping(unhex("ff")),
        more(unhex("82")),
        pong(unhex("ac")),
        last(unhex("ac")),
      ],
      [pong(unhex("ff")), text("€")],
    ],
    [
      "one fragmented message behind the other",
      [a, b, c, ...fragments(binary(), ["", "d"]), text("e"), ...fragments(text(), ["f", ""])],
      [text("abc"), binary("d"), text("e"), text("f")],
    ],
  ];
  return cases.map(([name, send, back]) => answers(name, "§5.4", send, back, { chops: CHOPS }));
}

function fragmentedControl(): Case[] {
  const kinds = [["Ping", ping("p")], ["Pong", pong("p")], ["Close", close(1000)]] as const;
  return kinds.flatMap(([name, whole]) => {
    const [head, body] = cut(open(whole), 0);
    return [
      fails(
        `a fragmented ${name}`,
        "§5.5",
        [open(whole), last("rest")],
        VIOLATION.controlFragmented,
      ),
      fails(
        `a fragmented ${name}: certain with the header`,
        "§5.5",
        [head!],
        VIOLATION.controlFragmented,
        { late: [body!, last("rest"), ping("late")] },
      ),
      fails(
        `a fragmented ${name}, empty`,
        "§5.5",
        [frame(whole.first & 0x0f)],
        VIOLATION.controlFragmented,
        { late: [frame(0x80), ping("late")] },
      ),
      fails(
        `a fragmented ${name} within a fragmented message`,
        "§5.5",
        [open(whole)],
        VIOLATION.controlFragmented,
        { before: [{ send: [open(text("a"))], back: [] }], late: [last("b"), ping("late")] },
      ),
    ];
  });
}

function strayContinuations(): Case[] {
  const places: [string, Turn[]][] = [
    ["at the beginning", []],
    ["behind a message", [{ send: [text("a")], back: [text("a")] }]],
    ["behind a fragmented message", [{ send: [open(text("a")), last("b")], back: [text("ab")] }]],
    ["behind a Ping", [{ send: [ping("a")], back: [pong("a")] }]],
    ["behind a Pong", [{ send: [pong("a")], back: [] }]],
  ];
  return places.flatMap(([place, before]) =>
    ([["final", 0x80], ["not final", 0x00]] as const).flatMap(([kind, first]) => {
      const name = `a continuation of nothing, ${kind}, ${place}`;
      const [head, body] = cut(frame(first, "stray"), 0);
      const late = [text("late"), ping("late")];
      return [
        fails(name, "§5.4", [frame(first, "stray"), ...late], VIOLATION.strayContinuation, {
          before,
        }),
        fails(`${name}, empty`, "§5.4", [frame(first)], VIOLATION.strayContinuation, {
          before,
          late,
        }),
        fails(`${name}: certain with the header`, "§5.4", [head!], VIOLATION.strayContinuation, {
          before,
          late: [body!, ...late],
        }),
      ];
    })
  );
}

function messagesWithin(): Case[] {
  const places: [string, Turn][] = KINDS.flatMap(([kind, make]): [string, Turn][] => [
    [`a ${kind} message`, { send: [open(make("a"))], back: [] }],
    [`a ${kind} message, behind an empty fragment`, { send: [open(make())], back: [] }],
    [`a ${kind} message, behind its second fragment and a Ping`, {
      send: [open(make("a")), more("b"), ping("p")],
      back: [pong("p")],
    }],
  ]);
  return places.flatMap(([place, begun]) =>
    KINDS.flatMap(([kind, make]) =>
      [make("new"), open(make("new")), make()].map((intruder) => {
        const how = intruder.first < 0x80
          ? " begun"
          : intruder.payload.length === 0
          ? " empty"
          : "";
        const [head, body] = cut(intruder, 0);
        return fails(
          `${kind}${how} within ${place}`,
          "§5.4",
          [head!],
          VIOLATION.messageWithin,
          { before: [begun], late: [body!, last("b"), ping("late")] },
        );
      })
    )
  );
}

function manyFragments(): Case[] {
  const thousand = Array.from({ length: 1000 }, (_, at) => String.fromCharCode(97 + at % 26));
  const many = Array.from({ length: 999 }, () => "");
  return KINDS.flatMap(([kind, make]) => [
    answers(
      `${kind} in 1000 fragments of one octet`,
      "§5.4",
      fragments(make(), thousand),
      [make(thousand.join(""))],
      { chops: ["whole", 7] },
    ),
    answers(
      `${kind} in 999 empty fragments and one that is not`,
      "§5.4",
      fragments(make(), [...many, "x"]),
      [make("x")],
      { chops: ["whole", 997] },
    ),
  ]);
}

/** A message of 64 KiB in frames of many lengths, none of which must matter to the receiver. */
function autoFragmented(): Case[] {
  const payload = mixedText(65536);
  return [64, 125, 126, 1300, 4096, 32767, 65535, 65536].flatMap((size) =>
    KINDS.map(([kind, make]) =>
      answers(
        `${kind} of 64 KiB in frames of ${size} octets`,
        "§5.4",
        fragments(make(), pieces(payload, size)),
        [make(payload)],
        { chops: size < 1000 ? ["whole", 1300] : ["whole", "part by part", 1300] },
      )
    )
  );
}

/** Category 5 of the table. */
export const FRAGMENTS: Row[] = [
  ...numbered("5.1", wholeFromParts()),
  ...numbered("5.2", controlBetween()),
  ...numbered("5.3", fragmentedControl()),
  ...numbered("5.4", strayContinuations()),
  ...numbered("5.5", messagesWithin()),
  ...numbered("5.6", manyFragments()),
];

/** Category 10 of the table. */
export const AUTO_FRAGMENTS: Row[] = numbered("10.1", autoFragmented());
