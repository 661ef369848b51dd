/**
 * What both ends of the soak know of each connection from its number and the seed alone: which messages go over it, one
 * after the other, and how it ends. So each end can tell by itself whether anything was lost, moved, doubled or damaged.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { WsMessage } from "../../mod.ts";
import { type Random, randomBytes, seeded } from "../../tests/helpers/bytes.ts";

const KiB = 1024;
/** The longest message: bytes of binary, UTF-16 code units of text. */
const LONGEST = 256 * KiB;
/** The most messages that are sent at once. */
export const IN_FLIGHT = 12;
/** What stands before the payload of a binary message: its number, and the checksum of the payload. */
const HEADER = 8;

/** How the connection ends, in the order of how often: what its client does, but for "server-close". */
const ENDINGS = [
  "close", // once every message has come back
  "close-early", // with echoes under way
  "server-close", // the server closes once it has all messages
  "kill", // TCP ends without a Close
  "half-close", // TCP's one direction ends without a Close
  "reset", // TCP is reset
] as const;
export type Ending = typeof ENDINGS[number];

/** The endings without a Close: what is under way may be lost. */
export function isAbrupt(ending: Ending): boolean {
  return ending === "kill" || ending === "half-close" || ending === "reset";
}

/** What becomes of one connection. */
export interface Plan {
  ending: Ending;
  /** The code of the Close. */
  code: number;
  /** How many messages are sent at once, burst by burst. */
  bursts: number[];
  /** The sum of the bursts. */
  messages: number;
  /** For choices that the other end need not know. */
  random: Random;
}

function randomOf(seed: number, id: number, what: number): Random {
  const random = seeded(seed ^ Math.imul(id + 1, 0x9e3779b1) ^ what);
  random(2); // numbers that follow each other begin alike
  return random;
}

export function planOf(seed: number, id: number): Plan {
  const random = randomOf(seed, id, 1);
  const bursts = Array.from({ length: 1 + random(10) }, () => 1 + random(IN_FLIGHT));
  return {
    ending: ENDINGS[Math.min(random(ENDINGS.length), random(ENDINGS.length))]!,
    code: [1000, 1001, 3000, 4000 + random(1000)][random(4)]!,
    bursts,
    messages: bursts.reduce((sum, burst) => sum + burst, 0),
    random,
  };
}

/** What payloads are cut from: half of it can be compressed, half of it cannot. */
const bytes = randomBytes(seeded(1), LONGEST * 2).map((byte, at) =>
  at & 0x10000 ? 0x30 + at % 10 : byte
);
const ascii = makeText("abcdefghijklmnopqrstuvwxyz      ");
const unicode = makeText("abcd  éß世界👋");

function makeText(alphabet: string): string {
  const random = seeded(2);
  const letters = Array.from(alphabet);
  let text = "";
  while (text.length < LONGEST * 2) text += letters[random(letters.length)];
  return text;
}

/** The messages that one connection carries, and what each of them has to be when it arrives. */
export class Traffic {
  /** How many messages have been made or taken. */
  count = 0;
  readonly #id: number;
  readonly #random: Random;

  constructor(seed: number, id: number) {
    this.#id = id;
    this.#random = randomOf(seed, id, 2);
  }

  /** The next message. */
  next(): WsMessage {
    const random = this.#random;
    const number = this.count++;
    const length = lengthOf(random);
    const at = random(LONGEST);
    const kind = random(4);
    if (kind < 2) return binaryMessage(number, at, length);
    return textMessage(number, kind === 2 ? ascii : unicode, at, length);
  }

  /** Takes a message that has arrived; throws if it is not the next. */
  take(message: WsMessage): void {
    const due = this.next();
    if (!equal(message, due)) {
      throw new Error(`Connection ${this.#id}: got ${describe(message)}, due is ${describe(due)}`);
    }
  }
}

/** Most messages are short, some are long. */
function lengthOf(random: Random): number {
  const kind = random(100);
  return kind < 5
    ? random(HEADER + 1)
    : kind < 70
    ? random(126)
    : kind < 94
    ? random(4 * KiB)
    : kind < 99
    ? random(64 * KiB)
    : random(LONGEST + 1);
}

function binaryMessage(number: number, at: number, length: number): Uint8Array {
  const message = new Uint8Array(Math.max(length, HEADER));
  message.set(bytes.subarray(at, at + message.length - HEADER), HEADER);
  const header = new DataView(message.buffer);
  header.setUint32(0, number);
  header.setUint32(4, crc32(message.subarray(HEADER)));
  return message.subarray(0, length); // one that is too short for its header has the beginning of it
}

function textMessage(number: number, text: string, at: number, length: number): string {
  let payload = text.slice(at, at + length);
  // half of a surrogate pair would become something else on the way
  if (isLow(text, at + length)) payload = payload.slice(0, -1);
  if (isLow(payload, 0)) payload = payload.slice(1);
  const message = `${number} ${crc32(payload)} ${payload}`;
  return length > HEADER ? message : message.slice(0, length);
}

function isLow(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}

function equal(a: WsMessage, b: WsMessage): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** Says of a message what helps to find out what became of it. */
function describe(message: WsMessage): string {
  const { length } = message;
  if (typeof message === "string") {
    const [, number, sum, payload = ""] = message.match(/^(\d+) (\d+) ([^]*)$/) ?? [];
    if (number === undefined) return `text ${JSON.stringify(message.slice(0, 40))}`;
    return `text ${number} of length ${length}, sum ${crc32(payload) === Number(sum)}`;
  }
  if (length < HEADER) return `binary ${message.toHex()}`;
  const header = new DataView(message.buffer, message.byteOffset);
  const intact = crc32(message.subarray(HEADER)) === header.getUint32(4);
  return `binary ${header.getUint32(0)} of length ${length}, sum ${intact}`;
}
