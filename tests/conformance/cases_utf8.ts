/** Category 6: UTF-8, and at which octet it is certain that a text is none. */
import { concat } from "@std/bytes";
import { unhex } from "../helpers/bytes.ts";
import {
  answers,
  binary,
  type Case,
  type Chop,
  cut,
  fails,
  fragments,
  last,
  more,
  numbered,
  octets,
  open,
  ping,
  pong,
  type Row,
  text,
  VIOLATION,
} from "./rows.ts";
import {
  beginnings,
  certainAfter,
  corners,
  justOutside,
  lonelyLeads,
  MALFORMED,
  noLeads,
} from "./utf8.ts";

const BEFORE = octets("κόσμε");
const BEHIND = octets("edited");
const LATE = [ping("late"), text("late")];
const CHOPS = ["whole", "octet by octet", "part by part"] as const;

/** In a message all of which arrives at once. */
function inWholeMessage(name: string, bad: Uint8Array): Case {
  const message = text(concat([BEFORE, bad, BEHIND]));
  return fails(name, "§8.1", [message, ...LATE], VIOLATION.notUtf8, { chops: ["whole"] });
}

/**
 * In a frame whose rest is held back: nothing comes back until the octet in which it becomes certain, and the Close
 * at once after it. Only when the Close has been read, the rest of the frame is sent, and ignored.
 */
function withinFrame(name: string, bad: Uint8Array, chops?: readonly Chop[]): Case {
  const certain = BEFORE.length + certainAfter(bad)!;
  const message = text(concat([BEFORE, bad, BEHIND]));
  const [alive, fatal, rest] = cut(message, certain - 1, certain);
  return fails(`${name}: within a frame`, "§8.1", [fatal!], VIOLATION.notUtf8, {
    before: [{ send: [alive!], back: [] }],
    late: [rest!, ...LATE],
    ...(chops && { chops }),
  });
}

/** Octet by octet in fragments, with Pings answered as long as the text may become valid; the last one never comes. */
function withinFragments(name: string, bad: Uint8Array): Case {
  const certain = certainAfter(bad)!;
  const alive = Array.from(bad.subarray(0, certain - 1), (octet) => more(Uint8Array.of(octet)));
  return fails(
    `${name}: within fragments`,
    "§8.1",
    [more(bad.subarray(certain - 1, certain))],
    VIOLATION.notUtf8,
    {
      before: [{ send: [open(text(BEFORE)), ...alive, ping("alive")], back: [pong("alive")] }],
      late: [last(BEHIND), ...LATE],
      chops: ["whole"],
    },
  );
}

function validCharacters(): Case[] {
  return corners().map((octets) => {
    const character = new TextDecoder("utf-8", { ignoreBOM: true }).decode(octets);
    const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    const each = Array.from(octets, (octet) => Uint8Array.of(octet));
    return answers(
      `U+${code} is valid: alone, octet by octet in fragments, and within text`,
      "§8.1",
      [
        text(octets),
        ...fragments(text(), each),
        text(concat([BEFORE, octets, BEHIND])),
        ...fragments(text(), [BEFORE, ...each, BEHIND]),
      ],
      [
        text(octets),
        text(octets),
        text(concat([BEFORE, octets, BEHIND])),
        text(concat([BEFORE, octets, BEHIND])),
      ],
      { chops: CHOPS },
    );
  });
}

function codePoints(from: number, to: number): Uint8Array {
  const codes = Array.from({ length: to - from + 1 }, (_, at) => from + at)
    .filter((code) => code < 0xd800 || code > 0xdfff);
  return concat(codes.map((code) => octets(String.fromCodePoint(code))));
}

function validTexts(): Case[] {
  const planes = Array.from({ length: 17 }, (_, plane) => plane * 0x10000);
  const planeEnds = planes.map((plane) => text(codePoints(plane + 0xfffe, plane + 0xffff)));
  const arabic = text(codePoints(0xfdd0, 0xfdef));
  const bom = "\ufeff";
  return [
    answers("the noncharacters at the end of each plane", "§8.1", planeEnds, planeEnds),
    answers("the noncharacters U+FDD0 to U+FDEF", "§8.1", [arabic], [arabic]),
    answers("a byte order mark belongs to the text, at its beginning", "§8.1", [
      text(bom),
      text(`${bom}Hello`),
      text(bom + bom),
    ], [text(bom), text(`${bom}Hello`), text(bom + bom)]),
    answers("a byte order mark within a text, and in each of its fragments", "§8.1", [
      text(`Hel${bom}lo`),
      ...fragments(text(), [`${bom}Hel`, `${bom}lo`, bom]),
      ...fragments(text(), [Uint8Array.of(0xef), Uint8Array.of(0xbb), unhex("bf48")]),
    ], [text(`Hel${bom}lo`), text(`${bom}Hel${bom}lo${bom}`), text(`${bom}H`)]),
    answers("U+FFFD and NUL are characters", "§8.1", [text("\ufffd"), text("a\0b")], [
      text("\ufffd"),
      text("a\0b"),
    ]),
    answers("characters that combine stay as they are", "§8.1", [text("e\u0301 \u0327\u1e9b")], [
      text("e\u0301 \u0327\u1e9b"),
    ]),
    ...planes.map((plane) => {
      const all = text(codePoints(plane, plane + 0xffff));
      const name = `every character from U+${plane.toString(16).toUpperCase().padStart(4, "0")} on`;
      return answers(name, "§8.1", [all], [all], { chops: ["whole", 4099] });
    }),
  ];
}

/** Texts that end within a character are invalid, even though what there is of it is not. */
function truncated(): Case[] {
  return beginnings().flatMap((bad) => {
    const name = `a text that ends within a character, after ${bad.toHex()}`;
    const whole = text(concat([BEFORE, bad]));
    const begun = [open(text(concat([BEFORE, bad]))), ping("alive")];
    const alive = { send: begun, back: [pong("alive")] };
    return [
      fails(name, "§8.1", [whole], VIOLATION.notUtf8, { chops: ["whole"], late: LATE }),
      fails(`${name}, its octets one by one`, "§8.1", [whole], VIOLATION.cutUtf8, {
        chops: ["octet by octet"],
        late: LATE,
      }),
      fails(`${name}: certain with an empty last fragment`, "§8.1", [last()], VIOLATION.cutUtf8, {
        before: [alive],
        late: LATE,
      }),
    ];
  });
}

/** How far in the text the error stands must not matter: beyond every buffer, and in the part that is read directly. */
function deep(): Case[] {
  const places = [0, 1, 125, 126, 1000, 1023, 1024, 1025, 16383, 16384, 65535, 65536, 300_000];
  return places.map((place) => {
    const whole = text(concat([new Uint8Array(place).fill(0x61), unhex("f490"), BEHIND]));
    const [alive, fatal, rest] = cut(whole, place + 1, place + 2);
    return fails(`an error behind ${place} octets of ASCII`, "§8.1", [fatal!], VIOLATION.notUtf8, {
      before: [{ send: [alive!], back: [] }],
      late: [rest!, ...LATE],
      chops: place < 1000 ? ["whole", "octet by octet"] : ["whole", 1009],
    });
  });
}

function elsewhere(): Case[] {
  const malformed = MALFORMED.map(([, octets]) => unhex(octets));
  const messages = malformed.map((octets) => binary(octets));
  const [alive, fatal] = cut(text(unhex("c3ff41")), 1, 2);
  return [
    answers("binary messages need not be UTF-8", "§5.6", messages, messages),
    answers(
      "binary fragments need not be UTF-8",
      "§5.6",
      malformed.flatMap((octets) => fragments(binary(), [octets, octets])),
      malformed.map((octets) => binary(concat([octets, octets]))),
    ),
    answers(
      "Pings need not be UTF-8",
      "§5.5.2",
      malformed.map((octets) => ping(octets)),
      malformed.map((octets) => pong(octets)),
    ),
    fails("an error in the second of two texts", "§8.1", [fatal!], VIOLATION.notUtf8, {
      before: [{ send: [text("first")], back: [text("first")] }, { send: [alive!], back: [] }],
      late: LATE,
    }),
    answers(
      "a text begins anew: what the binary message before it ended with does not matter",
      "§8.1",
      [binary(unhex("e282")), text("A"), ...fragments(binary(), [unhex("e2"), unhex("82")])],
      [binary(unhex("e282")), text("A"), binary(unhex("e282"))],
      { chops: CHOPS },
    ),
  ];
}

const allWays = (name: string, bad: Uint8Array) => [
  inWholeMessage(name, bad),
  withinFrame(name, bad),
  withinFragments(name, bad),
];

/** Category 6 of the table. */
export const UTF8: Row[] = [
  ...numbered("6.1", validCharacters()),
  ...numbered("6.2", validTexts()),
  ...numbered(
    "6.3",
    noLeads().flatMap((bad) => [
      withinFrame(`${bad.toHex()} begins no character`, bad, ["octet by octet"]),
      withinFragments(`${bad.toHex()} begins no character`, bad),
    ]),
  ),
  ...numbered("6.4", justOutside().flatMap((bad) => allWays(`${bad.toHex()} is none`, bad))),
  ...numbered(
    "6.5",
    lonelyLeads().map((bad) => withinFrame(`${bad.toHex()} is none`, bad, ["whole"])),
  ),
  ...numbered("6.6", MALFORMED.flatMap(([name, octets]) => allWays(name, unhex(octets)))),
  ...numbered("6.7", truncated()),
  ...numbered("6.8", deep()),
  ...numbered("6.9", elsewhere()),
];
