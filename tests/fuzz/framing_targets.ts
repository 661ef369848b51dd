/** The framings under fuzz: what is fed, in which pieces, and how the result is compared with the naive decoders'. */
import { concat } from "@std/bytes";
import {
  encodeClose,
  HixieProtocol,
  type MessageSink,
  type Protocol,
  type ProtocolEvents,
  type ProtocolLimits,
  Rfc6455Protocol,
  type Role,
  type WsMessage,
} from "../../framing/mod.ts";
import { largeBuffers, smallBuffers } from "../../framing/pool.ts";
import { decode, type Ending, type Outcome, readHeader, textOf } from "./naive_framing.ts";
import { decodeHixie, type HixieSetting } from "./naive_hixie.ts";
import { cut, type Random, seeded } from "./random.ts";

/** What this side closes with, where it does. */
const CLOSE = { code: 1001, reason: "bye" };
/** How much output may wait: Pongs are held back from 64 KiB on; one of them, and a Close, may be on top. */
const MAX_OUTPUT = 64 * 1024 + 2 * 131;

/** How often one read can stall: no more messages than that, which are too long to be gathered, fit into a buffer. */
const MAX_STALLS = 64 * 1024 / 16;

/** How an RFC 6455 connection is set up for an input. */
export interface Rfc6455Setup {
  role: Role;
  maxMessageSize: number;
  /** This side closes when so many bytes have arrived; never, if the input is shorter. */
  closeAt: number;
  /** Which messages are taken piece by piece, if any: that makes no difference to what they are. */
  streamed?: Streamed;
  /** What decides where the input is cut. */
  splitSeed: number;
}

/** How a connection of a draft is set up for an input. */
export type HixieSetup = Omit<HixieSetting, "maxDiscarded"> & {
  streamed?: Streamed;
  splitSeed: number;
};

/** All messages, or those that turn out to be longer than is gathered. */
export type Streamed = "all" | "long";

type Make = (events: ProtocolEvents, limits: ProtocolLimits) => Protocol;

/** What became of an input. */
interface Run {
  messages: WsMessage[];
  pongs: Uint8Array[];
  sent: Uint8Array;
  state: string;
  failed: number | undefined;
  /** Why it failed. */
  error: string;
  received: { code: number; reason: string } | undefined;
}

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
  return checkRuns(make, { ...setup, ended: true }, input, expected, (run, ending) => {
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
      (same(pongs, expected.pings) || isThinned(pongs, expected.pings, run.state === "open"));
  });
}

/** Feeds an input to {@linkcode HixieProtocol}; returns how the result differs from what it must be, if it does. */
export function checkHixie(setup: HixieSetup, input: Uint8Array): string | undefined {
  const { version, mode } = setup;
  const make: Make = (events, limits) => new HixieProtocol(version, mode, events, limits);
  return checkRuns(
    make,
    setup,
    input,
    decodeHixie(input, { ...setup, maxDiscarded: gathered(setup) }),
    (run, ending) => same(run.sent, ending.close ?? new Uint8Array(0)),
  );
}

/** How an input is fed. */
interface Plan {
  maxMessageSize: number;
  closeAt: number;
  /** Whether TCP ends behind it. */
  ended: boolean;
  streamed?: Streamed;
  splitSeed: number;
}

/** Feeds an input whole, byte by byte, and in random pieces: all must end alike, and as is expected. */
function checkRuns(
  make: Make,
  plan: Plan,
  input: Uint8Array,
  expected: Outcome,
  sentIsRight: (run: Run, ending: Ending) => boolean,
): string | undefined {
  const random = seeded(plan.splitSeed);
  const ways: [string, (bytes: Uint8Array) => Uint8Array[]][] = [
    ["whole", (bytes) => bytes.length > 0 ? [bytes] : []],
    ["byte by byte", (bytes) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))],
    ["in random pieces", (bytes) => cut(random, bytes)],
  ];
  let first: Run | undefined;
  for (const [name, pieces] of ways) {
    let run: Run;
    try {
      run = drive(make, plan, input, pieces, name === "in random pieces" ? random : undefined);
    } catch (error) {
      return `${name}: ${error instanceof Error ? error.stack : error}`;
    }
    first ??= run;
    const asExpected = same(run.messages, expected.messages) && same(run.pongs, expected.pongs) &&
      expected.endings.some((ending) => endsAs(run, ending) && sentIsRight(run, ending));
    if (!asExpected) return `${name}: ${Deno.inspect(run)}\nexpected: ${Deno.inspect(expected)}`;
    if (run.state !== first.state || run.failed !== first.failed) {
      return `${name}: ${Deno.inspect(run)}\nwhole: ${Deno.inspect(first)}`;
    }
  }
}

/** The longest message that the protocol itself is to gather. */
function gathered({ maxMessageSize, streamed }: Pick<Plan, "maxMessageSize" | "streamed">): number {
  if (streamed === "all") return 0;
  return streamed === "long" ? Math.min(16, maxMessageSize) : maxMessageSize;
}

/** Makes a protocol, and gathers its messages: those that come whole, and those that come piece by piece. */
function start(make: Make, plan: Plan) {
  const { maxMessageSize, streamed } = plan;
  const messages: WsMessage[] = [];
  const pongs: Uint8Array[] = [];
  const protocol = make({
    message: (message) => messages.push(message),
    pong: (payload) => pongs.push(payload.slice()),
    ...(streamed === "long" ? { tooLong: () => false } : {}),
  }, { maxMessageSize: gathered(plan) });
  let pieces: Uint8Array[] = [];
  let isText = false;
  const sink: MessageSink = {
    maxMessageSize,
    begin: (type) => {
      isText = type === "text";
      pieces = [];
    },
    push: (bytes) => pieces.push(bytes.slice()) > 0,
    end: () => {
      const bytes = concat(pieces);
      messages.push(isText ? textOf(bytes) ?? "(what is not UTF-8)" : bytes);
      if (streamed === "all") protocol.receiveInto(sink);
    },
  };
  if (streamed === "all") protocol.receiveInto(sink);
  return { protocol, sink, messages, pongs };
}

/** Feeds an input as a connection would, watching how much memory is held. */
function drive(
  make: Make,
  plan: Plan,
  input: Uint8Array,
  pieces: (bytes: Uint8Array) => Uint8Array[],
  draining: Random | undefined,
): Run {
  const { maxMessageSize, closeAt, ended } = plan;
  const lent = largeBuffers.lent + smallBuffers.lent;
  const { protocol, sink, messages, pongs } = start(make, plan);
  const { output } = protocol;
  const sent: Uint8Array[] = [];
  /** Writes all of the next piece that waits, or a part of it. */
  const write = (part: (length: number) => number) => {
    const bytes = output.next();
    if (bytes === undefined) return false;
    const length = part(bytes.length);
    sent.push(bytes.slice(0, length));
    output.written(length);
    return true;
  };
  let arrived = 0;
  const space = () => {
    const room = protocol.space();
    const believable = Math.min(maxMessageSize, Math.max(2 ** 20, 16 * arrived));
    assertBounded("the space to read into", room.length, Math.max(64 * 1024, believable));
    return room;
  };
  /** Takes a piece in as many reads as there is space for; the first goes into `room`. */
  const feed = (bytes: Uint8Array, room = space()) => {
    for (;; room = space()) {
      if (room.length === 0) throw new Error("There is no space to read into");
      const part = bytes.subarray(0, room.length);
      room.set(part);
      protocol.receive(part.length);
      for (let times = 0; protocol.stalled; times++) {
        if (times > MAX_STALLS) throw new Error("The protocol stalls for ever");
        protocol.receiveInto(sink);
        protocol.receive(0);
      }
      arrived += part.length;
      assertBounded("output", output.size, MAX_OUTPUT);
      if (part.length === bytes.length) return;
      bytes = bytes.subarray(part.length);
    }
  };
  for (const piece of pieces(input.subarray(0, closeAt))) {
    feed(piece);
    if (draining?.(4) === 0) write((length) => 1 + draining(length));
  }
  if (closeAt <= input.length) {
    const room = space(); // a read is under way while this side closes
    protocol.close(CLOSE.code, CLOSE.reason);
    const [next, ...others] = pieces(input.subarray(closeAt));
    if (next !== undefined) feed(next, room);
    for (const piece of others) feed(piece);
  }
  space();
  if (ended) protocol.end();
  do {
    while (write((length) => length));
    protocol.drained();
  } while (output.size > 0);
  const { state, received, error } = protocol;
  protocol.release("input");
  protocol.release("output");
  const kept = largeBuffers.lent + smallBuffers.lent - lent;
  if (kept !== 0) throw new Error(`${kept} buffers were not given back`);
  return {
    messages,
    pongs,
    sent: concat(sent),
    state,
    failed: error?.closeCode,
    error: error?.message ?? "",
    received,
  };
}

function assertBounded(what: string, size: number, bound: number): void {
  if (size > bound) {
    throw new Error(`Memory is not bounded: ${what} is ${size} bytes, ${bound} are the most`);
  }
}

function endsAs(run: Run, ending: Ending): boolean {
  return run.state === ending.state && run.failed === ending.failed &&
    run.received?.code === ending.received?.code &&
    run.received?.reason === ending.received?.reason;
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

/** Whether two texts, byte arrays, or lists of them are the same. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object") return a === b;
  const [one, other] = [a as ArrayLike<unknown>, b as ArrayLike<unknown>];
  if (one.length !== other.length || one instanceof Uint8Array !== other instanceof Uint8Array) {
    return false;
  }
  for (let i = 0; i < one.length; i++) if (!same(one[i], other[i])) return false;
  return true;
}
