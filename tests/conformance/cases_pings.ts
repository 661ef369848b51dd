/** Category 2: Pings and Pongs. */
import {
  answers,
  cut,
  fails,
  last,
  more,
  numbered,
  open,
  ping,
  pong,
  type Row,
  text,
  VIOLATION,
} from "./rows.ts";

const EVERY_OCTET = Uint8Array.from({ length: 256 }, (_, at) => at);
const PAYLOADS: [string, string | Uint8Array][] = [
  ["no payload", ""],
  ["one octet", "x"],
  ["text", "Hello"],
  ["text that is not ASCII", "κόσμε 𝄞"],
  ["octets that are no UTF-8", Uint8Array.of(0, 0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0)],
  ["the octets 00 to 7c", EVERY_OCTET.subarray(0, 125)],
  ["the octets 83 to ff", EVERY_OCTET.subarray(131)],
  ["124 octets", "x".repeat(124)],
  ["125 octets", "x".repeat(125)],
];
const TEN = Array.from({ length: 10 }, (_, at) => `payload ${at}`);
const MESSAGE = text("Hello");

/** Category 2 of the table. */
export const PINGS: Row[] = [
  ...numbered(
    "2.1",
    PAYLOADS.map(([name, payload]) =>
      answers(`Ping with ${name}`, "§5.5.3", [ping(payload)], [pong(payload)])
    ),
  ),
  ...numbered(
    "2.2",
    [126, 127, 65535, 65536].flatMap((length) =>
      [ping, pong].map((make) => {
        const [head, body] = cut(make("x".repeat(length)), 0);
        return fails(
          `${make === ping ? "Ping" : "Pong"} with ${length} octets: certain with the header`,
          "§5.5",
          [head!],
          VIOLATION.controlTooLong,
          { late: [body!, ping("late")], chops: ["whole", "part by part"] },
        );
      })
    ),
  ),
  ...numbered("2.3", [
    ...PAYLOADS.map(([name, payload]) =>
      answers(`a Pong with ${name} that nobody asked for is ignored`, "§5.5.3", [pong(payload)], [])
    ),
    answers(
      "after a Pong that nobody asked for, a Ping is answered",
      "§5.5.3",
      [pong("unasked"), ping("asked")],
      [pong("asked")],
    ),
    answers(
      "Pongs that nobody asked for around a message",
      "§5.5.3",
      [pong("before"), MESSAGE, pong("after")],
      [MESSAGE],
    ),
  ]),
  ...numbered("2.4", [
    answers(
      "each of 10 Pings in a row is answered, in order",
      "§5.5.3",
      TEN.map((payload) => ping(payload)),
      TEN.map((payload) => pong(payload)),
      { chops: ["whole", "octet by octet", "part by part", 7] },
    ),
    answers(
      "each of 500 Pings in a row is answered, in order, to a peer that reads",
      "§5.5.3",
      Array.from({ length: 500 }, (_, at) => ping(`${at}`)),
      Array.from({ length: 500 }, (_, at) => pong(`${at}`)),
      { chops: ["whole", 100] },
    ),
  ]),
  ...numbered("2.5", [
    answers(
      "a Ping before a message is answered before it",
      "§5.5.2",
      [ping("first"), MESSAGE],
      [pong("first"), MESSAGE],
    ),
    answers(
      "a Ping behind a message: by the time it comes, the echo is on its way",
      "§5.5.2",
      [MESSAGE, ping("second")],
      [MESSAGE, pong("second")],
      { chops: ["octet by octet", "part by part"] },
    ),
    answers(
      "a Ping that comes together with a message before it is answered first",
      "§5.5.2",
      [MESSAGE, ping("second")],
      [pong("second"), MESSAGE],
      { chops: ["whole"] },
    ),
    answers(
      "a Ping within a fragmented message is answered before the message is whole",
      "§5.4",
      [last("lo")],
      [MESSAGE],
      { before: [{ send: [open(text("Hel")), ping("now"), more()], back: [pong("now")] }] },
    ),
  ]),
];
