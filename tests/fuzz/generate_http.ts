/** Inputs for the opening handshakes: heads and bodies that are in order, nearly in order, damaged, or noise. */
import { noise } from "./generate.ts";
import { between, mutate, once, oneOf, pick, type Random, randomBytes } from "./random.ts";

type Field = [name: string, value: string];

/** The key that the client of the fuzzer has sent (RFC 6455 §1.3). */
export const SENT_KEY = "dGhlIHNhbXBsZSBub25jZQ==";
/** What a server answers to it. */
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/** The subprotocols that it has offered. */
export const OFFERED = ["chat", "superchat"];

const KEY1 = "18x 6]8vM;54 *(5:  {   U1]8  z [  8";
const KEY2 = "1_ tx7X d  <  nw  334J702) 7]o}` 0";

/** Openings of the three protocols, and plain requests. */
const REQUESTS: readonly Field[][] = [
  [
    ["Host", "example.com"],
    ["Upgrade", "websocket"],
    ["Connection", "keep-alive, Upgrade"],
    ["Sec-WebSocket-Key", SENT_KEY],
    ["Sec-WebSocket-Version", "13"],
  ],
  [
    ["Upgrade", "WebSocket"],
    ["Connection", "Upgrade"],
    ["Host", "example.com:8080"],
    ["Origin", "http://example.com"],
    ["Sec-WebSocket-Key1", KEY1],
    ["Sec-WebSocket-Key2", KEY2],
  ],
  [["Upgrade", "WebSocket"], ["Connection", "Upgrade"], ["Host", "[::1]:80"], ["Origin", "null"]],
  [["Host", "example.com"], ["Content-Length", "5"]],
  [["Host", "example.com"], ["Transfer-Encoding", "chunked"]],
];

const ANSWER: readonly Field[] = [
  ["Upgrade", "websocket"],
  ["Connection", "Upgrade"],
  ["Sec-WebSocket-Accept", ACCEPT],
];

/** Values that stand for each field, wrong ones among them. */
const VALUES: Record<string, readonly string[]> = {
  host: ["a", "a:80", "a:", "", "a b", "a,b", "a/b", "a@b", "[::1]", "[::1", "%41", "%4", "\xe9"],
  upgrade: ["websocket", "WEBSOCKET", "h2c, websocket", "websocket,", "websocket/13", "web", ""],
  connection: ["upgrade", "Upgrade,", ",,upgrade", "close", "up grade", "keep-alive,UPGRADE", ""],
  "sec-websocket-key": [
    SENT_KEY,
    SENT_KEY.slice(1),
    SENT_KEY.replace("==", ""),
    SENT_KEY.replace("==", "AA"),
    SENT_KEY.replace("Q==", "R=="),
    SENT_KEY.replace("==", "=A"),
    "dGhlIHNhbXBs ZSBub25j\tZQ",
    SENT_KEY.replace("I", "_"),
    "",
  ],
  "sec-websocket-version": ["13", "8", "013", "13, 13", "13, 8", "+13", "", "1 3"],
  "sec-websocket-protocol": ["chat", "chat, superchat", "superchat", "other", ",", "", "ch at"],
  "sec-websocket-extensions": ["permessage-deflate", "x", ""],
  "sec-websocket-accept": [ACCEPT, ACCEPT.toLowerCase(), "", ACCEPT + "=", ACCEPT.slice(1)],
  "sec-websocket-key1": [KEY1, "4 294967295", "4 294967296", "9 9 9", "12", "1 2", " 0", ""],
  "sec-websocket-key2": [KEY2, "85899345 9 0", "85899345 9 2", "x y", "0", ""],
  origin: ["http://example.com", "null", ""],
  "content-length": ["0", "5", "00", "-1", "1e1", "5, 5", "5 5", "", "999999999999999"],
  "transfer-encoding": ["chunked", "Chunked", "gzip, chunked", "chunked, gzip", "gzip", "xchunked"]
    .concat("chunked, chunked", "chunked;a=b", ""),
};
const NAMES = Object.keys(VALUES);
const TARGETS = "/ /chat?x=%20 * http://example.com/ example.com:80 /\xe9 //".split(" ");
const VERSIONS = "HTTP/1.1 HTTP/1.0 HTTP/1.2 HTTP/2.0 HTTP/1.12 http/1.1 HTTP/1".split(" ");

/** A request, and what follows it. */
export function request(random: Random): Uint8Array {
  if (once(random, 20)) return noise(random, octetsOf("GET\r\n\x16\x80"));
  const make = () => {
    const line = once(random, 5)
      ? [
        pick(random, ["GET", "POST", "get", "CONNECT", "HEAD", "G(T", ""]),
        once(random, 8) ? "" : pick(random, TARGETS),
        pick(random, VERSIONS),
      ].join(once(random, 8) ? "  " : " ")
      : "GET /chat HTTP/1.1";
    return octets(head(random, line, pick(random, REQUESTS)) + behind(random));
  };
  return once(random, 5) ? mutate(random, make(), make) : make();
}

/** A response to an opening, and what follows it. */
export function response(random: Random): Uint8Array {
  if (once(random, 20)) return noise(random, octetsOf("HTTP\r\n"));
  const make = () => {
    const opens = !once(random, 3);
    const status = once(random, 6)
      ? pick(random, ["100", "99", "600", "1e2", "0101", "", "204", "101"])
      : opens
      ? "101"
      : "403";
    const version = once(random, 8) ? pick(random, VERSIONS) : "HTTP/1.1";
    const line = version + " " + status + pick(random, ["", " ", " OK", " Caf\xe9 \t", "  x"]);
    const fields: readonly Field[] = opens ? ANSWER : pick(random, REQUESTS.slice(2));
    return octets(head(random, line, fields) + behind(random));
  };
  return once(random, 5) ? mutate(random, make(), make) : make();
}

/** The head of a message with these fields, of which up to two are not as they should be. */
function head(random: Random, line: string, template: readonly Field[]): string {
  const fields = template.map((field) => [...field] as Field);
  for (let tweaks = random(3); tweaks > 0; tweaks--) tweak(random, fields);
  const lines = fields.map((field) => once(random, 25) ? oddLine(random, field) : field.join(": "));
  if (once(random, 25)) lines.push(...manyLines(random, line, lines));
  lines.unshift(line);
  if (once(random, 20)) lines.unshift(...new Array<string>(1 + random(3)).fill(""));
  const text = lines.join("\r\n") + "\r\n\r\n";
  return once(random, 30)
    ? text.replace("\r\n", pick(random, ["\n", "\r", "\n\r", "\r\r\n"]))
    : text;
}

function tweak(random: Random, fields: Field[]): void {
  const at = random(fields.length);
  const field = fields[at];
  const other = pick(random, NAMES);
  const added: Field = [other, pick(random, VALUES[other]!)];
  if (field === undefined || once(random, 5)) fields.splice(at, 0, added);
  else {
    oneOf<unknown>(random, [
      () => fields.splice(at, 1),
      () => fields.splice(random(fields.length), 0, [...field]),
      () => field[1] = pick(random, VALUES[field[0].toLowerCase()] ?? [""]),
      () => field[1] = pick(random, VALUES[field[0].toLowerCase()] ?? [""]),
      () => field[0] = once(random, 2) ? field[0].toUpperCase() : field[0].toLowerCase(),
      () => field[1] = pick(random, [" \t", "\t", "\xa0", "\x85", "\x0c", "\x0b"]) + field[1],
      () =>
        field[1] += pick(random, ["  ", "\t", "\xa0", "\x00", "\xff", "\x0b", ", x", ",", "\x7f"]),
    ]);
  }
}

/** A line that is no header, or is one in spite of its looks. */
function oddLine(random: Random, [name, value]: Field): string {
  return pick(random, [
    `${name}:${value}`,
    `${name}:\t ${value}\t `,
    `${name} : ${value}`,
    ` ${name}: ${value}`,
    `${name}:\r\n ${value}`,
    `${name}: ${value}\n`,
    `${name}\x00: ${value}`,
    `${name}: ${value}\rX: y`,
    `: ${value}`,
    name,
    `${name}(: ${value}`,
    `${name}\xe9: ${value}`,
  ]);
}

/** What brings the head near 128 lines, or 16 KiB. */
function manyLines(random: Random, line: string, lines: string[]): string[] {
  if (once(random, 2)) {
    return new Array<string>(between(random, 126, 129) - lines.length).fill("a: b");
  }
  if (!once(random, 4)) return ["x: " + "y".repeat(random(3000))];
  const length = [line, ...lines].join("\r\n").length + "\r\nx: ".length + "\r\n\r\n".length;
  return ["x: " + "y".repeat(16_384 - length + between(random, -2, 2))];
}

/** What follows a head: frames, a third key, a body. */
function behind(random: Random): string {
  return oneOf(random, [
    () => "",
    () => "Tm[K T2u",
    () => latin1(randomBytes(random, random(20))),
    () => chunks(random),
  ]);
}

/** The fields and the body of a message: what the decoder of bodies is given. */
export function body(random: Random): { fields: Field[]; bytes: Uint8Array } {
  const fields: Field[] = once(random, 2) ? [["transfer-encoding", "chunked"]] : [];
  for (let count = random(3); count > 0; count--) {
    const name = pick(random, ["transfer-encoding", "content-length"]);
    fields.push([name, pick(random, VALUES[name]!)]);
  }
  const make = () => once(random, 20) ? noise(random, octetsOf("5\r\n")) : octets(chunks(random));
  return { fields, bytes: once(random, 3) ? mutate(random, make(), make) : make() };
}

/** A body of chunks, RFC 9112 §7.1. */
function chunks(random: Random): string {
  let text = "";
  for (let count = random(4); count > 0; count--) {
    const data = latin1(randomBytes(random, once(random, 60) ? 1024 : random(20)));
    const size = once(random, 10) ? random(30) : data.length;
    text += sizeLine(random, size) + data + lineEnd(random);
  }
  if (once(random, 6)) return text;
  text += once(random, 6) ? "000;last" + lineEnd(random) : "0\r\n";
  for (let count = random(3); count > 0; count--) text += "Trailer: x" + lineEnd(random);
  return text + "\r\n" + (once(random, 3) ? "more" : "");
}

function sizeLine(random: Random, size: number): string {
  const hex = size.toString(16);
  const odd = once(random, 8)
    ? oneOf(random, [
      () => hex.toUpperCase().padStart(between(random, 1, 14), "0"),
      () => hex + ";name=value",
      () => hex + " \t; name",
      () => hex + pick(random, [" ", "\t", "\xa0", "\x0b", "\r", "\n"]),
      () => pick(random, [" ", "\t", "\xa0", "\x0b", "\n", "+", "-", "0x"]) + hex,
      () => hex + pick(random, ["g", ".", ",5", " 5"]),
      () => hex + ";" + "e".repeat(between(random, 1020, 1026) - hex.length - 1),
      () => hex + ";\x00\n\xff",
      () => pick(random, ["fffffffff", "ffffffffffff", "1000000000000", "10000000000000000", ""]),
    ])
    : hex;
  return odd + lineEnd(random);
}

function lineEnd(random: Random): string {
  return once(random, 40) ? pick(random, ["\n", "\r", "", "\r\r\n", "x\r\n"]) : "\r\n";
}

/** The octets that a string of Latin-1 stands for, and the other way round. */
export function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function octetsOf(text: string): number[] {
  return Array.from(octets(text));
}

/** The string in which each character is an octet. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
