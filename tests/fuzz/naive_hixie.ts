/**
 * A second decoder of the drafts' framings, for the fuzzer to compare the library's with: hybi-00 §5.3 ("old"), and a type
 * byte with a length of eight ("new"). It takes the whole input at once, and is as slow and as plain as can be.
 */
import { couldBecomeText, type Ending, type Outcome, textOf } from "./naive_framing.ts";

/** What an input is decoded under. */
export interface HixieSetting {
  version: "hixie-75" | "hixie-76";
  mode: "old" | "new";
  maxMessageSize: number;
  /** The longest frame that is read only to be discarded. */
  maxDiscarded: number;
  /** This side closes when so many bytes have arrived. */
  closeAt: number;
  /** TCP ends behind the input. */
  ended: boolean;
}

/** The longest length that is read in the "old" framing, in bytes. */
const MAX_DIGITS = 9;
const RECEIVED = { code: 1005, reason: "" };

/** Thrown where nothing that follows can matter. */
class Done {
  readonly endings: Ending[];

  constructor(...endings: Ending[]) {
    this.endings = endings;
  }
}

/** Decodes an input. */
export function decodeHixie(bytes: Uint8Array, setting: HixieSetting): Outcome {
  const decoder = new NaiveHixie(bytes, setting);
  try {
    for (;;) decoder.frame();
  } catch (done) {
    if (!(done instanceof Done)) throw done;
    const endings = [...done.endings, ...decoder.maybe];
    return { messages: decoder.messages, pongs: [], pings: [], endings };
  }
}

class NaiveHixie {
  readonly messages: string[] = [];
  /** Endings that are allowed besides: a limit may hold, and need not, for what is discarded while closing. */
  readonly maybe: Ending[] = [];
  readonly #bytes: Uint8Array;
  readonly #setting: HixieSetting;
  readonly #limit: number;
  readonly #closeAt: number;
  #at = 0;

  constructor(bytes: Uint8Array, setting: HixieSetting) {
    this.#bytes = bytes;
    this.#setting = setting;
    this.#limit = setting.maxMessageSize;
    this.#closeAt = setting.closeAt;
  }

  /** Takes one frame. */
  frame(): void {
    const { version, mode, ended } = this.#setting;
    // hixie-75 has no closing frame: it is closed at once
    if (version === "hixie-75" && this.#closeAt <= this.#at) throw new Done(this.#closed(false));
    if (this.#at === this.#bytes.length) {
      if (version === "hixie-75" && ended) throw new Done(this.#closed(false));
      throw this.#quiet();
    }
    if (mode === "old") this.#oldFrame();
    else this.#newFrame();
  }

  #oldFrame(): void {
    const type = this.#bytes[this.#at++]!;
    if (type < 0x80) return this.#delimited(type === 0x00);
    // "If the high-order bit of the /frame type/ byte is set"
    let length = 0n;
    for (let digits = 1;; digits++) {
      const byte = this.#next();
      length = length * 128n + BigInt(byte & 0x7f);
      if (digits > MAX_DIGITS) this.#fault(this.#at, 1002, 1009);
      if (length > this.#setting.maxDiscarded) this.#fault(this.#at, 1009);
      if (byte < 0x80) break;
    }
    if (type === 0xff && length === 0n && this.#setting.version === "hixie-76") this.#close();
    this.#skip(length); // "discard the read bytes"
  }

  /** A frame up to its 0xFF: a text, or one to be discarded. */
  #delimited(isText: boolean): void {
    const start = this.#at;
    const marker = this.#bytes.indexOf(0xff, start);
    const end = marker === -1 ? this.#bytes.length : marker;
    const limit = isText ? this.#limit : this.#setting.maxDiscarded;
    if (isText) this.#checkText(start, Math.min(end, start + limit));
    if (end - start > limit) this.#fault(start + limit + 1, 1009);
    this.#at = end;
    if (marker === -1) throw this.#quiet();
    this.#at = marker + 1;
    if (isText) this.#message(start, end);
  }

  #newFrame(): void {
    const start = this.#at;
    const type = this.#bytes[this.#at++]!;
    if (type !== 0x00 && type !== 0xff) throw new Done(...this.#failure(this.#at, 1002));
    const codes: number[] = [];
    let length = 0n;
    for (let i = 0; i < 8; i++) length = length * 256n + BigInt(this.#bytes[this.#at + i] ?? 0);
    if (length > this.#limit) codes.push(1009);
    if (type === 0x00 && length > 0n) codes.push(1002);
    const payloadAt = this.#at + 8;
    const discards = this.#closeAt < payloadAt && this.#closeAt <= this.#bytes.length;
    if (discards && length > this.#setting.maxDiscarded) {
      this.maybe.push(...this.#failure(Infinity, 1009));
    }
    if (payloadAt > this.#bytes.length) {
      if (codes.length > 0) this.#mayFail(start + 2, Infinity, ...codes);
      throw this.#quiet();
    }
    this.#at = payloadAt;
    if (codes.length > 0) {
      // some bytes of the length may have shown it before this side's Close
      this.#mayFail(start + 2, payloadAt, ...codes);
      this.#fault(payloadAt, ...codes);
    }
    if (type === 0x00) {
      if (length > 0n) throw new Done(...this.#failure(payloadAt, ...codes));
      this.#close();
    }
    const end = payloadAt + Number(length);
    this.#checkText(payloadAt, end);
    this.#skip(length);
    this.#message(payloadAt, end);
  }

  /** Fails a text that goes on to `end` at least, as far as it arrived while this side was open. */
  #checkText(start: number, end: number): void {
    if (start > this.#closeAt) return;
    const text = Array.from(this.#bytes.slice(start, Math.min(end, this.#closeAt)));
    if (!couldBecomeText(text)) throw new Done(...this.#failure(start, 1007));
  }

  #next(): number {
    if (this.#at === this.#bytes.length) throw this.#quiet();
    return this.#bytes[this.#at++]!;
  }

  #skip(length: bigint): void {
    if (BigInt(this.#at) + length > this.#bytes.length) throw this.#quiet();
    this.#at += Number(length);
  }

  /** A text whose last byte is the one before `#at`. */
  #message(start: number, end: number): void {
    if (this.#at > this.#closeAt) return;
    const text = textOf(this.#bytes.slice(start, end));
    if (text === undefined) throw new Done(...this.#failure(this.#at, 1007));
    this.messages.push(text);
  }

  /** What stands before `until` breaks a rule: that ends it, unless this side has closed and only discards. */
  #fault(until: number, ...codes: number[]): void {
    if (until <= this.#closeAt) throw new Done(...this.#failure(until, ...codes));
    this.maybe.push(...this.#failure(until, ...codes));
  }

  /** What ends at `until` may be seen to break a rule as soon as what stands before `since` has arrived. */
  #mayFail(since: number, until: number, ...codes: number[]): void {
    this.maybe.push(...this.#failure(since, ...codes), ...this.#failure(until, ...codes));
  }

  #failure(until: number, ...codes: number[]): Ending[] {
    if (until > this.#closeAt) return [{ ...this.#quietEnding(), state: "closed" }];
    return codes.map((failed) => ({
      state: "closed",
      failed,
      received: undefined,
      close: undefined,
    }));
  }

  /** The end of the input within a frame, or between two, nothing being wrong. */
  #quiet(): Done {
    return new Done(this.#quietEnding());
  }

  #quietEnding(): Ending {
    if (this.#closeAt > this.#bytes.length) {
      return { state: "open", failed: undefined, received: undefined, close: undefined };
    }
    if (this.#setting.version === "hixie-75") return this.#closed(false);
    return { state: "closing", failed: undefined, received: undefined, close: this.#closeBytes };
  }

  /** A closing frame that ends before `#at`. */
  #close(): never {
    // one that comes first is answered; what this side has sent before stands in any case
    throw new Done(this.#closed(this.#at <= this.#closeAt || this.#setting.version === "hixie-76"));
  }

  #closed(sendsClose: boolean): Ending {
    const close = sendsClose ? this.#closeBytes : undefined;
    return { state: "closed", failed: undefined, received: RECEIVED, close };
  }

  get #closeBytes(): Uint8Array {
    return this.#setting.mode === "old" ? Uint8Array.of(0xff, 0x00) : new Uint8Array(9);
  }
}
