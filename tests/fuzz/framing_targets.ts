/** The framings under fuzz: what they are set up with, and how what they send is compared with what they must. */
import type { MessageDeflateOptions } from "../../framing/deflate.ts";
import { encodeClose, HixieProtocol, Rfc6455Protocol, type Role } from "../../framing/mod.ts";
import {
  type Check,
  checkRuns,
  CLOSE,
  gathered,
  type Make,
  type Plan,
  same,
} from "./framing_runs.ts";
import { decode, readHeader } from "./naive_framing.ts";
import { decodeHixie, type HixieSetting } from "./naive_hixie.ts";
import { MessageInflater } from "./naive_inflate.ts";
import { atOnce, inTime } from "./steps.ts";

/** How an RFC 6455 connection is set up for an input. */
export interface Rfc6455Setup extends Omit<Plan, "ended" | "deflate" | "torn"> {
  role: Role;
}

/** How one that compresses is. */
export interface DeflateSetup extends Omit<Plan, "ended"> {
  role: Role;
  deflate: MessageDeflateOptions & { incoming: Direction; outgoing: Direction };
}

/** What is agreed on for one direction. */
export interface Direction {
  windowBits: number;
  noContextTakeover: boolean;
}

/** How a connection of a draft is set up for an input. */
export type HixieSetup =
  & Omit<HixieSetting, "maxDiscarded">
  & Pick<Plan, "streamed" | "splitSeed">;

/** Feeds an input to {@linkcode Rfc6455Protocol}; returns how the result differs from what it must be, if it does. */
export function checkRfc6455(setup: Rfc6455Setup, input: Uint8Array): string | undefined {
  const { role, maxMessageSize, closeAt } = setup;
  const expected = decode(input, {
    masked: role === "server",
    maxMessageSize,
    closeAt,
    closePayload: encodeClose(CLOSE.code, CLOSE.reason),
  });
  const make: Make = (events, limits) => new Rfc6455Protocol(role, events, limits);
  return atOnce(checkRuns(make, { ...setup, ended: true }, input, expected, repliesOf(role)));
}

/** The same where messages are compressed, which has to wait for zlib. */
export function checkDeflate(setup: DeflateSetup, input: Uint8Array): Promise<string | undefined> {
  const { role, maxMessageSize, closeAt, deflate: { incoming, outgoing } } = setup;
  const expected = decode(input, {
    masked: role === "server",
    maxMessageSize,
    closeAt,
    closePayload: encodeClose(CLOSE.code, CLOSE.reason),
    inflater: new MessageInflater(incoming.windowBits, incoming.noContextTakeover),
  });
  const make: Make = (events, limits, deflate) =>
    new Rfc6455Protocol(role, events, limits, deflate);
  const replies = repliesOf(role);
  const steps = checkRuns(make, { ...setup, ended: true }, input, expected, (run, ...more) => {
    if (!replies(run, ...more)) return false;
    if (run.echo === undefined) return true;
    const echo = decode(run.echo, {
      masked: role === "client",
      maxMessageSize: Infinity,
      closeAt: Infinity,
      closePayload: new Uint8Array(0),
      inflater: new MessageInflater(outgoing.windowBits, outgoing.noContextTakeover),
    });
    // this side must keep to the window exactly
    return same(echo.messages, run.messages) && echo.orElse === undefined;
  });
  return inTime(steps);
}

/** Feeds an input to {@linkcode HixieProtocol}; returns how the result differs from what it must be, if it does. */
export function checkHixie(setup: HixieSetup, input: Uint8Array): string | undefined {
  const { version, mode } = setup;
  const make: Make = (events, limits) => new HixieProtocol(version, mode, events, limits);
  const expected = decodeHixie(input, { ...setup, maxDiscarded: gathered(setup) });
  return atOnce(checkRuns(make, setup, input, expected, (run, ending) => {
    return same(run.sent, ending.close ?? new Uint8Array(0));
  }));
}

/** Whether what one side of RFC 6455 has sent is what it must: its Pongs, then its Close. */
function repliesOf(role: Role): Check {
  return (run, ending, { pings }) => {
    const frames = framesOf(run.sent, role === "client");
    if (frames === undefined) return false;
    const close = ending.failed === undefined
      ? ending.close
      : encodeClose(ending.failed, run.error);
    if (close !== undefined) {
      const last = frames.pop();
      if (last?.first !== 0x88 || !same(last.payload, close)) return false;
    }
    const pongs = frames.map(({ payload }) => payload);
    return frames.every(({ first }) => first === 0x8a) &&
      (same(pongs, pings) || isThinned(pongs, pings, run.state === "open"));
  };
}

/** The frames that were sent, or `undefined` if they are not sound. */
function framesOf(
  bytes: Uint8Array,
  masked: boolean,
): { first: number; payload: Uint8Array }[] | undefined {
  const frames = [];
  for (let at = 0; at < bytes.length;) {
    const { payloadAt, length, key, faulty } = readHeader(bytes, at, masked);
    const end = (payloadAt ?? Infinity) + Number(length);
    if (faulty || payloadAt === undefined || end > bytes.length) return undefined;
    const payload = bytes.slice(payloadAt, end).map((byte, i) => byte ^ (key[i % 4] ?? 0));
    frames.push({ first: bytes[at]!, payload });
    at = end;
  }
  return frames;
}

/**
 * RFC 6455 §5.5.3: of Pings that wait for their answers, only the latest needs one. They do not wait until 64 KiB of answers
 * do, and the very last is answered unless the connection has been closed.
 */
function isThinned(pongs: Uint8Array[], pings: Uint8Array[], isOpen: boolean): boolean {
  const size = pings.reduce((sum, ping) => sum + 2 + ping.length, 0);
  if (size < 48 * 1024 || (isOpen && !same(pongs.at(-1), pings.at(-1)))) return false;
  let at = 0;
  for (const ping of pings) if (at < pongs.length && same(ping, pongs[at])) at++;
  return at === pongs.length;
}
