/** Inputs for the negotiation of extensions: headers that are in order, odd, damaged, or noise. */
import { octets } from "./generate_http.ts";
import { between, mutate, once, oneOf, pick, type Random } from "./random.ts";

const NAMES = [
  ...["permessage-deflate2", "Permessage-Deflate", "permessage-bzip2", "x-webkit-deflate-frame"],
  ...["deflate", "!#$%&'*+-.^_`|~", "__proto__", "q"],
];
const SWITCHES = ["server_no_context_takeover", "client_no_context_takeover"];
const WINDOWS = ["server_max_window_bits", "client_max_window_bits"];
const UNKNOWN = ["max_window_bits", "Server_Max_Window_Bits", "__proto__", "constructor", "a", "8"];
/** What is no number from 8 to 15 without leading zeros, though some would take it for one. */
const WRONG = [
  ..."0 1 7 16 17 99 08 015 +9 -8 8. 9.0 1e1 0x9 0b1001 1_0 true NaN 18446744073709551624".split(
    " ",
  ),
  ...[
    '""',
    '" 9"',
    '"9 "',
    '"9',
    '9"',
    '"9"9',
    '"\\"',
    '"9\\',
    "",
    "\xb2",
    "9 9",
    '"1,0"',
    '"1;0"',
  ],
];
const SPACES = ["", "", "", "", " ", " ", "\t", "  ", " \t "];
const STRANGE = [",", ";", "=", '"', "\\", "\0", "\r\n ", "\xa0", "/", "(", ",,", ";;", "=="];

/** A header of one or several extensions. */
export function extensions(random: Random, isAnswer: boolean): Uint8Array {
  const make = () => octets(list(random, isAnswer));
  if (once(random, 15)) return octets(noise(random));
  return once(random, 5) ? mutate(random, make(), make) : make();
}

function list(random: Random, isAnswer: boolean): string {
  const space = () => pick(random, SPACES);
  const elements = Array.from({ length: isAnswer && !once(random, 8) ? 1 : between(random, 1, 4) });
  const texts = elements.map(() => space() + extension(random) + space());
  if (once(random, 10)) texts.splice(random(texts.length + 1), 0, space());
  if (once(random, 100)) return pick(random, ["", " ", ",", " , ,"]);
  return texts.join(",");
}

function extension(random: Random): string {
  const space = () => pick(random, SPACES);
  let text = once(random, 6) ? pick(random, NAMES) : "permessage-deflate";
  const names = [...SWITCHES, ...WINDOWS].filter(() => once(random, 3));
  if (once(random, 16)) names.push(pick(random, [...names, ...UNKNOWN]));
  for (const name of names) {
    text += space() + ";" + space() + name;
    const hasValue = once(random, 20) || (WINDOWS.includes(name) && !once(random, 4));
    if (hasValue) text += space() + "=" + space() + value(random);
  }
  return text;
}

function value(random: Random): string {
  if (once(random, 12)) return pick(random, WRONG);
  const bits = String(between(random, 8, 15));
  return oneOf(random, [
    ...new Array(4).fill(() => bits),
    () => `"${bits}"`,
    () => `"${bits.split("").map((digit) => once(random, 2) ? "\\" + digit : digit).join("")}"`,
  ]);
}

function noise(random: Random): string {
  const words = [...NAMES, ...SWITCHES, ...WINDOWS, ...UNKNOWN, ...WRONG, ...SPACES, ...STRANGE];
  return Array.from({ length: random(12) }, () => pick(random, words)).join("");
}
