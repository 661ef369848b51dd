import { connectionLost, WsConnectionClosed, WsConnectionLost } from "./errors.ts";
import {
  CloseCode,
  type CloseInfo,
  type Protocol,
  type ProtocolEvents,
  type WsMessage,
} from "./framing/mod.ts";
import { type Deadline, unwatch, type Watch, watch, type Watched } from "./idle.ts";
import { Incoming } from "./incoming.ts";
import type { ConnLimits } from "./options.ts";
import { Outgoing, type OutgoingEvents } from "./outgoing.ts";
import { Pings } from "./pings.ts";
import { Wire, type WireEvents } from "./wire.ts";

const EMPTY = new Uint8Array(0);

/**
 * What stands behind a `WsConn`: its parts, what they tell each other, and the end of its life. One object with methods
 * rather than a closure for each event, which would take over 1 KB for each of the connections that only wait.
 */
export class Session implements ProtocolEvents, WireEvents, OutgoingEvents, Watched {
  readonly wire: Wire;
  readonly framing: Protocol;
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  /** Settles when TCP is closed. */
  readonly finished: Promise<CloseInfo>;
  /** Who began the end: this side, or an error that stands for the peer; `undefined` if it was the peer's Close. */
  endedBy: "this side" | Error | undefined;
  /** Whether the streams have ended: either side has closed, failed or lost the connection. */
  closed = false;
  /** That of the last Ping that was answered, in ms. */
  roundTripTime: number | undefined;
  #pings: Pings | undefined;
  /** When the last {@linkcode probe} was sent, until a Pong comes. */
  #probed: number | undefined;
  readonly #closeTimeout: number;
  readonly #lossIsEnd: boolean;
  /** Sees to it when nothing arrives: with a Ping, and in the end a Close. */
  readonly #watch: Watch;
  #finish!: (info: CloseInfo) => void;
  /** What is to be called as soon as it is `closed`. */
  #onClosed: Set<() => void> | undefined;

  /**
   * @param transport The connection below.
   * @param framing Makes its protocol.
   * @param limits How to behave.
   */
  constructor(
    transport: Deno.Conn,
    framing: (events: ProtocolEvents) => Protocol,
    limits: ConnLimits,
  ) {
    this.finished = new Promise((resolve) => this.#finish = resolve);
    this.#closeTimeout = limits.closeTimeout;
    this.#lossIsEnd = limits.whenLost === "end";
    this.incoming = new Incoming(this);
    this.framing = framing(this);
    this.wire = this.incoming.wire = new Wire(transport, this.framing, this);
    this.outgoing = new Outgoing(this.wire, this);
    this.#watch = watch(this, deadlinesOf(limits, this.framing.version === "rfc6455"));
  }

  /** See {@linkcode Watched}. */
  get reading(): boolean {
    return this.wire.reading;
  }

  // From the protocol:

  message(message: WsMessage): void {
    this.incoming.deliver(message);
  }

  pong(payload: Uint8Array): void {
    const now = performance.now();
    const sent = payload.length === 0 ? this.#probed : this.#pings?.answered(payload, now);
    if (sent === undefined) return; // RFC 6455 §5.5.3: unsolicited
    this.#probed = undefined; // the Pong to a later Ping answers a probe too
    this.roundTripTime = now - sent;
  }

  tooLong(): boolean {
    return this.incoming.tooLong();
  }

  /** From the wire too. */
  wantsMore(): boolean {
    return this.incoming.wantsMore();
  }

  resumed(): void {
    this.wire.resume();
  }

  // From the wire:

  paused(): void {
    this.incoming.paused();
  }

  decoded(): boolean {
    this.#watch.heard = true;
    if (this.framing.state !== "open" && !this.closed) {
      this.#leave(this.framing.error);
      this.wire.awaitEnd(this.#closeTimeout);
    }
    return this.incoming.decoded();
  }

  drained(): void {
    this.outgoing.drained();
  }

  /** TCP is closed: settles everything that is still pending. */
  ended(cause: unknown): void {
    this.#leave(this.framing.received === undefined ? connectionLost(cause) : undefined);
    this.#pings?.end(this.closedError());
    this.#finish(this.#closeInfo());
  }

  // From the way out:

  isClosed(): boolean {
    return this.closed;
  }

  closedError(cause: Error | undefined = this.framing.error): WsConnectionClosed {
    const info = this.framing.received === undefined ? undefined : this.#closeInfo();
    return new WsConnectionClosed(info, cause === undefined ? undefined : { cause });
  }

  /** From the way in too: `code` and `reason` are known to be such as may be sent. */
  close(code: number = CloseCode.Normal, reason = ""): Promise<CloseInfo> {
    if (!this.closed) {
      this.endedBy ??= "this side";
      this.#stopReceiving();
      this.outgoing.close(code, reason);
      this.wire.awaitEnd(this.#closeTimeout);
    }
    return this.finished;
  }

  /** Nothing arrives any more: says so to the peer, should it still listen. */
  giveUp(code: number, reason: string): void {
    this.endedBy ??= new WsConnectionLost(reason);
    void this.close(code, reason);
  }

  abort(): void {
    void this.close(CloseCode.InternalError);
  }

  isAnswer(): boolean {
    return this.incoming.isAnswered();
  }

  /** Calls `act` as soon as it is `closed`. Returns how to call that off. */
  onClosed(act: () => void): () => void {
    const acts = this.#onClosed ??= new Set();
    acts.add(act);
    return () => void acts.delete(act);
  }

  /** Sends a Ping; returns the promise of its round-trip time in ms. */
  ping(): Promise<number> {
    const pings = this.#pings ??= new Pings();
    const { payload, pong } = pings.next();
    if (this.closed) pings.end(this.closedError());
    else {
      this.framing.ping(payload);
      this.wire.flush();
    }
    return pong;
  }

  /** Sends a Ping that nobody waits for: to hear something of the peer, or notice that it is gone. */
  probe(): void {
    this.#probed = performance.now();
    this.framing.ping(EMPTY);
    this.wire.flush();
  }

  /** Ends both streams: the peer has closed, or the connection has failed or is lost. */
  #leave(failure?: Error): void {
    this.endedBy ??= failure;
    this.#stopReceiving(
      this.#lossIsEnd && failure instanceof WsConnectionLost ? undefined : failure,
    );
    this.outgoing.end(this.closedError(failure));
  }

  #stopReceiving(failure?: Error): void {
    this.closed = true;
    this.incoming.end(failure);
    unwatch(this.#watch);
    this.#onClosed?.forEach((act) => act());
    this.#onClosed = undefined;
  }

  #closeInfo(): CloseInfo {
    const { received, state, error } = this.framing;
    // RFC 6455 §7.1.4 and §7.1.5
    return received === undefined
      ? { code: CloseCode.Abnormal, reason: "", wasClean: false }
      : { ...received, wasClean: state === "closed" && error === undefined };
  }
}

/** What is done when nothing arrives, for all connections of these limits: with Pings, and without. */
const deadlines = new WeakMap<ConnLimits, [Deadline<Session>[], Deadline<Session>[]]>();

function deadlinesOf(limits: ConnLimits, canPing: boolean): readonly Deadline<Session>[] {
  let both = deadlines.get(limits);
  if (both === undefined) {
    both = [deadlinesFor(limits, true), deadlinesFor(limits, false)];
    deadlines.set(limits, both);
  }
  return both[canPing ? 0 : 1];
}

function deadlinesFor(
  { timeout, pingInterval, pingTimeout }: ConnLimits,
  canPing: boolean,
): Deadline<Session>[] {
  const deadlines: Deadline<Session>[] = [];
  const after = (seconds: number, act: (silent: Session) => void) =>
    deadlines.push({ after: seconds * 1000, act });
  if (timeout > 0) {
    const reason = `Nothing arrived for ${timeout} s`;
    after(timeout, (silent) => silent.giveUp(CloseCode.GoingAway, reason));
  }
  if (canPing && pingInterval > 0) {
    after(pingInterval, (silent) => silent.probe());
    if (pingTimeout > 0) {
      const reason =
        `No answer to a Ping for ${pingTimeout} s: peer or network is gone, or pingTimeout too short`;
      after(
        pingInterval + pingTimeout,
        (silent) => silent.giveUp(CloseCode.InternalError, reason),
      );
    }
  }
  return deadlines.sort((a, b) => a.after - b.after);
}
