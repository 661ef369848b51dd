/** Category 1: lengths, their encoding and their limit, and masking. */
import type { Frame, Part } from "./octets.ts";
import {
  answers,
  binary,
  type Case,
  close,
  cut,
  type Extra,
  fails,
  frame,
  last,
  more,
  numbered,
  open,
  ping,
  pong,
  type Row,
  text,
  tooBig,
  type Turn,
  VIOLATION,
  type Violation,
} from "./rows.ts";

const LENGTHS = [0, 1, 125, 126, 127, 128, 65535, 65536, 65537];
const KINDS: [string, (payload: string | Uint8Array) => Frame][] = [["text", text], [
  "binary",
  binary,
]];
/** What a fragment needs before it to be in place. */
const BEGUN: Turn = { send: [open(text("begun"))], back: [] };

/** Text of every length, so that one that is cut or moved does not look the same; for binary, every octet too. */
function payload(kind: string, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => kind === "text" ? 0x20 + at % 95 : at * 7 & 0xff);
}

function wholeMessages(): Row[] {
  return KINDS.flatMap(([kind, make], index) =>
    numbered(
      `1.${index + 1}`,
      LENGTHS.map((length) => {
        const message = make(payload(kind, length));
        const chops = length > 128 ? ["whole", 997] as const : undefined;
        return answers(`${kind} of ${length} octets`, "§5.2", [message], [message], {
          ...(chops && { chops }),
        });
      }),
    )
  );
}

function headerInPieces(): Case[] {
  return KINDS.flatMap(([kind, make]) =>
    LENGTHS.filter((length) => length > 125).map((length) => {
      const message = make(payload(kind, length));
      const [head, body] = cut(message, 0);
      return answers(
        `${kind} of ${length} octets, its header octet by octet`,
        "§5.2",
        [body!],
        [message],
        { before: [{ send: [head!], back: [], chop: "octet by octet" }], chops: ["whole"] },
      );
    })
  );
}

/** Only the header is sent before the Close is read, and the payload after it. */
function failsAtHeader(
  name: string,
  section: string,
  whole: Frame,
  violation: Violation,
  extra: Extra = {},
): Case {
  const [head, body] = cut(whole, 0);
  return fails(`${name}: certain with the header`, section, [head!], violation, {
    ...extra,
    late: [body!, ping("late")],
  });
}

function notMinimal(): Case[] {
  const forms = [[2, 0], [2, 1], [2, 125], [8, 0], [8, 1], [8, 125], [8, 126], [8, 65535]] as const;
  const kinds: [string, number, Turn[]][] = [["text", 0x81, []], ["binary", 0x82, []], [
    "continuation",
    0x80,
    [BEGUN],
  ]];
  return forms.flatMap(([lengthOctets, length]) =>
    kinds.map(([kind, first, before]) =>
      failsAtHeader(
        `${kind} with its length of ${length} in ${lengthOctets} octets`,
        "§5.2",
        { ...frame(first, payload("text", length)), lengthOctets },
        lengthOctets === 2 ? VIOLATION.lengthIn2 : VIOLATION.lengthIn8,
        { before },
      )
    )
  );
}

function hugeLengths(): Case[] {
  const standard = 16 * 1024 * 1024;
  const lengths: [string, bigint, Violation][] = [
    ["2^64 − 1", 2n ** 64n - 1n, VIOLATION.lengthSign],
    ["2^63", 2n ** 63n, VIOLATION.lengthSign],
    ["2^63 − 1", 2n ** 63n - 1n, VIOLATION.lengthUnsafe],
    ["2^53", 2n ** 53n, VIOLATION.lengthUnsafe],
    ["2^53 − 1", 2n ** 53n - 1n, tooBig(2 ** 53 - 1, standard)],
    ["2^32", 2n ** 32n, tooBig(2 ** 32, standard)],
    ["the standard limit + 1", BigInt(standard + 1), tooBig(standard + 1, standard)],
  ];
  return lengths.flatMap(([name, announced, violation]) =>
    [text, binary].map((make) =>
      failsAtHeader(
        `${make === text ? "text" : "binary"} that announces a length of ${name}`,
        violation[0] === 1002 ? "§5.2" : "§10.4",
        { ...make("of which this comes"), announced },
        violation,
      )
    )
  );
}

function limits(): Case[] {
  const limit = (maxMessageSize: number) => ({ options: { maxMessageSize } });
  const x = (length: number) => "x".repeat(length);
  const at200 = limit(200);
  const fits = (name: string, send: Part[], back: Frame[], extra = at200) =>
    answers(name, "§10.4", send, back, extra);
  const begun = (...send: Frame[]) => ({ ...at200, before: [{ send, back: [] }] });
  const tooLong = (name: string, bad: Frame, length: number, extra: Extra = at200) =>
    failsAtHeader(name, "§10.4", bad, tooBig(length, extra.options!.maxMessageSize!), extra);
  const half = "é".repeat(100);
  return [
    fits("a message as long as the limit", [text(x(200))], [text(x(200))]),
    fits(
      "fragments as long as the limit together",
      [open(binary(x(120))), more(x(80)), last()],
      [binary(x(200))],
    ),
    fits("the limit counts octets: 100 × é", [text(half)], [text(half)]),
    fits(
      "control frames do not count",
      [open(text("12345")), ping(x(125)), pong(x(125)), last("67890")],
      [pong(x(125)), text("1234567890")],
      limit(10),
    ),
    fits("an empty message where no longer one is taken", [text()], [text()], limit(0)),
    tooLong("one octet where none is taken", binary("x"), 1, limit(0)),
    tooLong("a message over the limit", text(x(201)), 201),
    tooLong("a first fragment over the limit", open(binary(x(201))), 201),
    tooLong("a last fragment that goes over it", last(x(81)), 201, begun(open(text(x(120))))),
    tooLong(
      "a third fragment that goes over it, and is not the last",
      more(x(140)),
      220,
      begun(open(binary(x(20))), more(x(60))),
    ),
  ];
}

function wrongMasking(): Case[] {
  const frames: [string, Frame, Turn[]][] = [
    ["text", text("Hello"), []],
    ["empty text", text(), []],
    ["binary", binary("Hello"), []],
    ["text of 126 octets", text("x".repeat(126)), []],
    ["binary of 65536 octets", binary("x".repeat(65536)), []],
    ["a first fragment", open(text("Hello")), []],
    ["a continuation", last("Hello"), [BEGUN]],
    ["Ping", ping("Hello"), []],
    ["empty Ping", ping(), []],
    ["Pong", pong("Hello"), []],
    ["Close", close(1000), []],
    ["Close without a code", close(), []],
  ];
  const echoed: Turn = { send: [text("fine")], back: [text("fine")] };
  return frames.map(([name, frame, before]) =>
    failsAtHeader(
      `${name}, not masked by a client, masked by a server`,
      "§5.1",
      { ...frame, wronglyMasked: true },
      VIOLATION.mask,
      { before: [echoed, ...before] },
    )
  );
}

function maskingKeys(): Case[] {
  const keys = [[0, 0, 0, 0], [255, 255, 255, 255], [0, 0, 0, 1], [128, 0, 0, 0], [1, 2, 3, 4]];
  return keys.map((key) => {
    const messages = [1, 2, 3, 4, 5, 6, 7, 47, 48, 49, 50, 51, 130].flatMap((length) => [
      text(payload("text", length)),
      binary(payload("binary", length)),
    ]);
    return answers(
      `from a client: the masking key ${Uint8Array.from(key).toHex()}`,
      "§5.3",
      messages.map((message) => ({ ...message, key })),
      messages,
      { chops: ["whole", 11] },
    );
  });
}

/** Category 1 of the table. */
export const FRAMING: Row[] = [
  ...wholeMessages(),
  ...numbered("1.3", headerInPieces()),
  ...numbered("1.4", notMinimal()),
  ...numbered("1.5", hugeLengths()),
  ...numbered("1.6", limits()),
  ...numbered("1.7", wrongMasking()),
  ...numbered("1.8", maskingKeys()),
];
