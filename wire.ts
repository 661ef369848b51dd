import type { Protocol } from "./framing/mod.ts";

/** So many messages of a long run leave before the rest of it is done; half as many if no other connection has one. */
const FIRST_PART = 32;

const NONE = new Uint8Array(0);

/** What a {@linkcode Wire} asks and tells the connection it belongs to. */
export interface WireEvents {
  /** Whether more may be read now. */
  wantsMore(): boolean;
  /** Nothing is read because no more was wanted: the connection calls `readOn` when it is. */
  paused(): void;
  /** Bytes have been decoded. Returns whether there were messages among them, which the receiver shall take first. */
  decoded(): boolean;
  /** All output has been written. */
  drained(): void;
  /** TCP is closed; `cause` is the transport's error, if that was why. */
  ended(cause: unknown): void;
}

/**
 * Moves the bytes of one connection: from the transport into the protocol, and what the protocol puts out to the
 * transport. Holds no rules but when to read and when to write.
 */
export class Wire {
  /** The rules. */
  readonly framing: Protocol;
  readonly #transport: Deno.Conn;
  readonly #events: WireEvents;
  /** How many bytes have been read from the transport, and how many written to it. */
  bytesRead = 0;
  bytesWritten = 0;
  #closed = false;
  /** What somebody else has read and is not decoded yet. */
  #rest: Uint8Array = NONE;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #reading = false;
  #decoding = false;
  /** Whether the peer has ended its half of TCP. */
  #peerDone = false;
  #writing = false;
  /** Whether this wire is in `#busy`. */
  #isBusy = false;
  /** How many messages have gathered since this wire ran dry, and with how many a part of them leaves. */
  #gathered = 0;
  #leavesAt = FIRST_PART;

  constructor(transport: Deno.Conn, framing: Protocol, events: WireEvents) {
    this.#transport = transport;
    this.framing = framing;
    this.#events = events;
  }

  /** Whether TCP is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether a read is under way. */
  get reading(): boolean {
    return this.#reading;
  }

  /** Decodes bytes that somebody else has read, then reads on. */
  begin(bytes: Uint8Array): void {
    this.#rest = bytes;
    this.bytesRead = bytes.length;
    this.#readRest();
  }

  /** The protocol was stalled and can go on. */
  resume(): void {
    if (!this.#closed && !this.#isBusy) this.#goOn(this.#decode(0)); // else when the receiver has had its turn
  }

  /** Reads on, unless a read is under way, the receiver has its turn first, or the connection wants no more. */
  readOn(): void {
    if (this.#reading || this.#decoding || this.#isBusy || this.#peerDone || this.#closed) return;
    this.flush(); // about to wait
    if (!this.#events.wantsMore()) return this.#events.paused();
    if (this.framing.stalled) {
      // what stalled it may be over: its message was asked for, or everything is to be discarded
      const delivered = this.#decode(0);
      if (this.#closed) return;
      if (delivered) return this.atEndOfTurn();
      if (this.framing.stalled) return;
    }
    if (this.#rest.length > 0) return this.#readRest();
    this.#reading = true;
    this.#transport.read(this.framing.space()).then(this.#readDone, this.#readFailed);
  }

  #readRest(): void {
    const space = this.framing.space();
    const part = this.#rest.subarray(0, space.length);
    space.set(part);
    this.#rest = part.length === this.#rest.length ? NONE : this.#rest.subarray(part.length);
    if (part.length > 0) this.#goOn(this.#decode(part.length));
  }

  readonly #readDone = (length: number | null): void => {
    this.#reading = false;
    if (this.#closed) return this.framing.release("input");
    if (length === null) {
      this.framing.end();
      if (this.framing.state !== "closed" || this.framing.output.size === 0) return this.end();
      this.#peerDone = true; // it has ended its half of TCP only, and may still read our Close
      return void this.#events.decoded();
    }
    this.bytesRead += length;
    this.#goOn(this.#decode(length));
  };

  #goOn(delivered: boolean): void {
    // The receiver shall take the messages and answer them before anything else is done: what lets the reading go on
    // is that it runs dry, or the end of this turn of the event loop.
    if (delivered) this.atEndOfTurn();
    else this.readOn();
  }

  readonly #readFailed = (error: unknown): void => {
    this.#reading = false;
    if (this.#closed) this.framing.release("input");
    else this.end(error);
  };

  #decode(length: number): boolean {
    const before = this.framing.state;
    this.#decoding = true;
    try {
      this.framing.receive(length);
    } catch (error) {
      this.end(error); // out of memory, most likely
      return false;
    } finally {
      this.#decoding = false;
    }
    const delivered = this.#events.decoded();
    // the peer's Close has come after ours: there is nothing to write before hanging up
    if (before === "closing" && this.framing.state === "closed" && this.framing.output.size === 0) {
      this.#hangUp();
    }
    return delivered;
  }

  /** A message has been framed, and more may follow. */
  gather(): void {
    if (!this.#isBusy) this.flush(); // it is the first of this turn: there is nothing to gather it with
    else if (++this.#gathered >= (Wire.#busyCount > 1 ? this.#leavesAt : this.#leavesAt / 2)) {
      // A long run leaves in parts, each longer than the one before: the peer works on them while this side goes on.
      this.#leavesAt *= 3;
      this.flush();
    }
    this.atEndOfTurn();
  }

  /** The receiver has taken all messages: what it has answered goes out, and the reading goes on. */
  runDry(): void {
    if (this.#isBusy) Wire.#busyCount--;
    this.#isBusy = false;
    this.#gathered = 0;
    this.#leavesAt = FIRST_PART;
    this.flush();
    this.readOn();
  }

  /** Writes all that has gathered, and what gathers meanwhile. */
  flush(): void {
    if (this.#writing || this.#closed) return;
    const piece = this.framing.output.next();
    if (piece === undefined) return;
    this.#writing = true;
    this.#transport.write(piece).then(this.#writeDone, this.#writeFailed);
  }

  readonly #writeDone = (length: number): void => {
    this.#writing = false;
    if (this.#closed) return this.framing.release("output");
    this.bytesWritten += length;
    const { output } = this.framing;
    output.written(length);
    if (output.size === 0) {
      this.#events.drained();
      this.framing.drained();
    }
    if (output.size > 0) this.flush();
    else if (this.framing.state === "closed") this.#hangUp();
  };

  readonly #writeFailed = (error: unknown): void => {
    this.#writing = false;
    if (this.#closed) this.framing.release("output");
    else this.end(error);
  };

  static #busy: Wire[] = [];
  /** How many of them have not run dry. */
  static #busyCount = 0;

  /** Runs dry at the end of this turn of the event loop, should nothing make it do so before. */
  atEndOfTurn(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    Wire.#busyCount++;
    if (Wire.#busy.push(this) === 1) void Wire.#watchTurn();
  }

  /**
   * Once for all wires. Most have run dry after a few microtasks, as soon as their receiver has answered; a call at the
   * end of the turn costs as much as the rest of a message, so it is asked for only if it is still needed then.
   */
  static async #watchTurn(): Promise<void> {
    for (let i = 0; i < 20 && Wire.#busyCount > 0; i++) await undefined;
    if (Wire.#busyCount > 0) setImmediate(Wire.#endTurn);
    else Wire.#busy.length = 0;
  }

  static #endTurn(this: void): void {
    for (const wire of Wire.#busy.splice(0)) if (wire.#isBusy) wire.runDry();
  }

  /** The protocol is closing or closed: writes what remains and reads until TCP ends, no longer than `seconds`. */
  awaitEnd(seconds: number): void {
    this.#closeTimer ??= setTimeout(() => this.end(), seconds * 1000);
    this.flush();
    if (this.framing.state === "closed" && this.framing.output.size === 0) this.#hangUp();
    this.readOn();
  }

  /** Both Closes are exchanged, or the connection was failed, and all is written. */
  #hangUp(): void {
    if (this.#peerDone) this.end();
    else if (this.framing.error !== undefined) {
      // Closing at once could make TCP reset the connection and so lose our Close: only say that no more will come.
      this.#transport.closeWrite().catch(() => {});
    } else if (this.framing.hangsUp) this.end();
  }

  /** Closes TCP. */
  end(cause?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#closeTimer);
    try {
      this.#transport.close();
    } catch {
      // it was closed already
    }
    // a buffer that the system may still be using goes back when it is not
    if (!this.#reading) this.framing.release("input");
    if (!this.#writing) this.framing.release("output");
    this.#events.ended(cause);
  }
}
