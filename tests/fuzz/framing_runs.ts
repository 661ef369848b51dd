/** Feeds an input to a framing whole, byte by byte and in random pieces, as a connection would, and compares what comes of it. */
import { concat } from "@std/bytes";
import { MessageDeflate, type MessageDeflateOptions } from "../../framing/deflate.ts";
import type {
  MessageSink,
  Protocol,
  ProtocolEvents,
  ProtocolLimits,
  WsMessage,
} from "../../framing/mod.ts";
import { LARGE_BUFFER, largeBuffers, mediumBuffers, smallBuffers } from "../../framing/pool.ts";
import { openHandles } from "../helpers/deflate.ts";
import { type Ending, type Outcome, textOf } from "./naive_framing.ts";
import { cut, once, type Random, seeded } from "./random.ts";
import { nextTurn, type Steps } from "./steps.ts";

/** What this side closes with, where it does. */
export const CLOSE = { code: 1001, reason: "bye" };
/** How much output may wait: Pongs are held back from 64 KiB on; one of them, and a Close, may be on top. */
const MAX_OUTPUT = 64 * 1024 + 2 * 131;
/** How often one read can stall: no more messages than that, which are too long to be gathered, fit into a buffer. */
const MAX_STALLS = 64 * 1024 / 16;
/** What zlib gives at once. */
const ZLIB_PIECE = 16 * 1024;

/** All messages, or those that turn out to be longer than is gathered. */
export type Streamed = "all" | "long";

export type Make = (
  events: ProtocolEvents,
  limits: ProtocolLimits,
  deflate: MessageDeflate | undefined,
) => Protocol;

/** How an input is fed. */
export interface Plan {
  maxMessageSize: number;
  /** This side closes when so many bytes have arrived; never, if the input is shorter. */
  closeAt: number;
  /** Whether TCP ends behind it. */
  ended: boolean;
  /** Which messages are taken piece by piece, if any: that makes no difference to what they are. */
  streamed?: Streamed;
  /** What decides where the input is cut. */
  splitSeed: number;
  /** How messages are compressed. */
  deflate?: MessageDeflateOptions;
  /**
   * Whether this side closes, or the connection is lost, while zlib is at work. How far it has come then is not compared: only
   * that what has come of it is right, and that nothing is left behind.
   */
  torn?: boolean;
}

/** What became of an input. */
export interface Run {
  messages: WsMessage[];
  pongs: Uint8Array[];
  sent: Uint8Array;
  state: string;
  failed: number | undefined;
  /** Why it failed. */
  error: string;
  received: { code: number; reason: string } | undefined;
  /** What was sent when the messages were sent back, if they are compressed. */
  echo?: Uint8Array;
}

/** Whether a run is what it must be, besides its messages, Pongs and state. */
export type Check = (run: Run, ending: Ending, outcome: Outcome) => boolean;

/** Feeds an input in three ways: all must end alike, and as is expected. Returns what is wrong, if anything is. */
export function* checkRuns(
  make: Make,
  plan: Plan,
  input: Uint8Array,
  expected: Outcome,
  isRight: Check,
): Steps<string | undefined> {
  const random = seeded(plan.splitSeed);
  const ways: [string, (bytes: Uint8Array) => Uint8Array[]][] = [
    ["whole", (bytes) => bytes.length > 0 ? [bytes] : []],
    ["byte by byte", (bytes) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))],
    ["in random pieces", (bytes) => cut(random, bytes)],
  ];
  let first: Run | undefined;
  for (const [name, pieces] of ways) {
    let run: Run;
    const session = new Session(make, plan, random, name === "in random pieces");
    try {
      run = yield* session.run(input, pieces);
    } catch (error) {
      session.release();
      return `${name}: ${error instanceof Error ? error.stack : error}`;
    }
    first ??= run;
    const outcomes = [expected, ...expected.orElse ?? []];
    const asExpected = plan.torn
      ? isBeginning(run.messages, expected.messages)
      : outcomes.some((outcome) => becomes(run, outcome, isRight));
    if (!asExpected) return `${name}: ${Deno.inspect(run)}\nexpected: ${Deno.inspect(expected)}`;
    if (plan.torn || expected.isLoose) continue;
    if (run.state !== first.state || run.failed !== first.failed) {
      return `${name}: ${Deno.inspect(run)}\nwhole: ${Deno.inspect(first)}`;
    }
  }
}

/** A protocol, fed as a connection would, watching how much memory is held. */
class Session {
  readonly #plan: Plan;
  readonly #random: Random;
  /** Whether some of the output is written now and then. */
  readonly #draining: boolean;
  readonly #lent = largeBuffers.lent + mediumBuffers.lent + smallBuffers.lent;
  readonly #handles = openHandles();
  readonly #deflate: MessageDeflate | undefined;
  readonly #protocol: Protocol;
  readonly #sink: MessageSink;
  readonly #messages: WsMessage[] = [];
  readonly #pongs: Uint8Array[] = [];
  readonly #sent: Uint8Array[] = [];
  #arrived = 0;
  /** How many bytes zlib has given. */
  #inflated = 0;
  /** Whether a message waits for somebody to take it piece by piece. */
  #asked = false;
  /** Settles when a protocol that is stalled may be able to go on. */
  #wake: PromiseWithResolvers<void> | undefined;
  #wakesSoon = false;

  constructor(make: Make, plan: Plan, random: Random, draining: boolean) {
    this.#plan = plan;
    this.#draining = draining;
    this.#random = random;
    this.#deflate = plan.deflate && new MessageDeflate(plan.deflate);
    this.#protocol = make(this.#events(), { maxMessageSize: gathered(plan) }, this.#deflate);
    this.#sink = this.#makeSink();
    if (plan.streamed === "all") this.#protocol.receiveInto(this.#sink);
    if (this.#deflate !== undefined) this.#count(this.#deflate);
  }

  #events(): ProtocolEvents {
    const tooLong = () => {
      this.#asked = true;
      this.#wake?.resolve();
      return false;
    };
    return {
      message: (message) => this.#messages.push(message),
      pong: (payload) => this.#pongs.push(payload.slice()),
      wantsMore: () => this.#wantsMore(),
      resumed: () => {
        this.#protocol.receive(0);
        this.#wake?.resolve();
      },
      ...(this.#plan.streamed === "long" ? { tooLong } : {}),
    };
  }

  /** Who takes a message wants more of it now, or soon. */
  #wantsMore(): boolean {
    if (this.#deflate === undefined || once(this.#random, 2)) return true;
    void this.#wakeSoon();
    return false;
  }

  async #wakeSoon(): Promise<void> {
    if (this.#wakesSoon) return;
    this.#wakesSoon = true;
    await (once(this.#random, 2) ? undefined : nextTurn());
    this.#wakesSoon = false;
    this.#wake?.resolve();
  }

  #makeSink(): MessageSink {
    const { maxMessageSize, streamed } = this.#plan;
    let pieces: Uint8Array[] = [];
    let isText = false;
    return {
      maxMessageSize,
      begin: (type) => {
        isText = type === "text";
        pieces = [];
      },
      push: (bytes) => {
        pieces.push(bytes.slice());
        return this.#wantsMore();
      },
      end: () => {
        const bytes = concat(pieces);
        this.#messages.push(isText ? textOf(bytes) ?? "(what is not UTF-8)" : bytes);
        if (streamed === "all") this.#protocol.receiveInto(this.#sink);
      },
    };
  }

  #count({ inflater }: MessageDeflate): void {
    const { output, done } = inflater.events;
    inflater.events = {
      output: (piece) => {
        this.#inflated += piece.length;
        return output(piece);
      },
      done,
    };
  }

  *run(input: Uint8Array, pieces: (bytes: Uint8Array) => Uint8Array[]): Steps<Run> {
    const { closeAt, ended, torn } = this.#plan;
    const protocol = this.#protocol;
    const before = pieces(input.subarray(0, closeAt));
    const last = torn ? before.pop() : undefined;
    yield* this.#feed(before);
    if (last !== undefined) {
      this.#receive(last.subarray(0, this.#space().length));
      for (let turns = this.#random(4); turns > 0; turns--) yield nextTurn();
    }
    if (closeAt <= input.length) {
      const room = protocol.stalled ? undefined : this.#space(); // a read is under way while this side closes
      protocol.close(CLOSE.code, CLOSE.reason);
      yield* this.#goOn();
      yield* this.#feed(pieces(input.subarray(closeAt)), room);
    }
    if (!protocol.stalled) this.#space();
    if (ended) protocol.end();
    do {
      while (this.#write((length) => length));
      protocol.drained();
    } while (protocol.output.size > 0);
    const { state, received, error } = protocol;
    const sent = concat(this.#sent.splice(0));
    const messages = [...this.#messages];
    const echo = this.#deflate && state === "open" && !torn ? yield* this.#echo() : undefined;
    this.release();
    this.#assertReleased();
    if (torn) yield nextTurn();
    if (this.#messages.length > messages.length) throw new Error("A message came behind the end");
    if (this.#deflate !== undefined) this.#assertInflated();
    return {
      messages,
      pongs: this.#pongs,
      sent,
      state,
      failed: error?.closeCode,
      error: error?.message ?? "",
      received,
      ...(echo && { echo }),
    };
  }

  /** Gives all memory back. */
  release(): void {
    this.#protocol.release("input");
    this.#protocol.release("output");
  }

  #space(): Uint8Array {
    const room = this.#protocol.space();
    const believable = Math.min(
      this.#plan.maxMessageSize,
      Math.max(2 ** 20, 16 * this.#arrived),
    );
    assertBounded("the space to read into", room.length, Math.max(LARGE_BUFFER, believable));
    return room;
  }

  /** Takes pieces, each in as many reads as there is space for; the very first goes into `room`, if there is any. */
  *#feed(pieces: Uint8Array[], room?: Uint8Array): Steps<void> {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) {
        room ??= this.#space();
        if (room.length === 0) throw new Error("There is no space to read into");
        const part = piece.subarray(at, at + room.length);
        this.#receive(part, room);
        if (this.#protocol.stalled) yield* this.#goOn();
        at += part.length;
        room = undefined;
      }
      if (this.#draining && once(this.#random, 4)) {
        this.#write((length) => 1 + this.#random(length));
      }
    }
  }

  #receive(part: Uint8Array, room: Uint8Array = this.#space()): void {
    room.set(part);
    this.#protocol.receive(part.length);
    this.#arrived += part.length;
    assertBounded("output", this.#protocol.output.size, MAX_OUTPUT);
  }

  /** Does what a connection does about a protocol that is stalled, until it is not any more. */
  *#goOn(): Steps<void> {
    const protocol = this.#protocol;
    for (let times = 0; protocol.stalled; times++) {
      if (times > MAX_STALLS) throw new Error("The protocol stalls for ever");
      const { promise } = this.#wake = Promise.withResolvers<void>();
      if (this.#asked) protocol.receiveInto(this.#sink);
      this.#asked = false;
      protocol.receive(0);
      // it may be the end of the connection that waits for the messages before it: the next time that is over
      if (this.#deflate !== undefined && protocol.stalled) protocol.receive(0);
      if (this.#deflate !== undefined && protocol.stalled && !this.#asked) yield promise;
      assertBounded("output", protocol.output.size, MAX_OUTPUT);
    }
  }

  /** Writes all of the next piece that waits, or a part of it. */
  #write(part: (length: number) => number): boolean {
    const { output } = this.#protocol;
    const bytes = output.next();
    if (bytes === undefined) return false;
    const length = part(bytes.length);
    this.#sent.push(bytes.slice(0, length));
    output.written(length);
    return true;
  }

  /** Sends all messages back, now and then in two fragments. */
  *#echo(): Steps<Uint8Array> {
    const [random, protocol] = [this.#random, this.#protocol];
    for (const message of this.#messages) {
      if (typeof message === "string" || once(random, 2)) yield protocol.send(message);
      else {
        const at = random(message.length + 1);
        const [one, other] = [message.subarray(0, at), message.subarray(at)];
        yield protocol.sendPart!("binary", one, { first: true, last: false });
        yield protocol.sendPart!("binary", other, { first: false, last: true });
      }
      while (this.#write((length) => length));
    }
    return concat(this.#sent);
  }

  #assertReleased(): void {
    const kept = largeBuffers.lent + mediumBuffers.lent + smallBuffers.lent - this.#lent;
    if (kept !== 0) throw new Error(`${kept} buffers were not given back`);
    const handles = openHandles() - this.#handles;
    if (handles !== 0) throw new Error(`${handles} handles of zlib were not given back`);
  }

  /** What belongs to no message that was delivered belongs to one that was not, and is bounded as it. */
  #assertInflated(): void {
    const { length } = concat(this.#messages.map((message) => bytesOf(message)));
    const bound = length + this.#plan.maxMessageSize + ZLIB_PIECE;
    assertBounded("what is inflated", this.#inflated, bound);
  }
}

/** The longest message that the protocol itself is to gather. */
export function gathered(plan: Pick<Plan, "maxMessageSize" | "streamed">): number {
  const { maxMessageSize, streamed } = plan;
  if (streamed === "all") return 0;
  return streamed === "long" ? Math.min(16, maxMessageSize) : maxMessageSize;
}

const encoder = new TextEncoder();

function bytesOf(message: WsMessage): Uint8Array {
  return typeof message === "string" ? encoder.encode(message) : message;
}

function assertBounded(what: string, size: number, bound: number): void {
  if (size > bound) {
    throw new Error(`Memory is not bounded: ${what} is ${size} bytes, ${bound} are the most`);
  }
}

/** Whether an outcome is what has become of an input. */
function becomes(run: Run, outcome: Outcome, isRight: Check): boolean {
  return same(run.messages, outcome.messages) && same(run.pongs, outcome.pongs) &&
    outcome.endings.some((ending) => endsAs(run, ending) && isRight(run, ending, outcome));
}

function endsAs(run: Run, ending: Ending): boolean {
  return run.state === ending.state && run.failed === ending.failed &&
    run.received?.code === ending.received?.code &&
    run.received?.reason === ending.received?.reason;
}

function isBeginning(some: unknown[], all: unknown[]): boolean {
  return same(some, all.slice(0, some.length));
}

/** Whether two texts, byte arrays, or lists of them are the same. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object") return a === b;
  const [one, other] = [a as ArrayLike<unknown>, b as ArrayLike<unknown>];
  if (one.length !== other.length || one instanceof Uint8Array !== other instanceof Uint8Array) {
    return false;
  }
  for (let i = 0; i < one.length; i++) if (!same(one[i], other[i])) return false;
  return true;
}
