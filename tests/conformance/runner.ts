/**
 * Runs a row of the conformance table over TCP against an echo made of this library, on either side.
 *
 * The system under test reads and writes through a {@linkcode Meter}, which counts octets. So the peer knows, without
 * waiting any time, when everything it sent has been decoded and everything that was answered has come back. It goes on
 * only then: a piece arrives as it was cut, and an answer that comes too early, too late or too much is noticed.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { concat } from "@std/bytes";
import { setImmediate } from "node:timers";
import {
  type CloseInfo,
  type Role,
  wsAccept,
  type WsConn,
  wsConnect,
  WsConnectionClosed,
  WsConnectionLost,
  type WsConnOptions,
  WsProtocolError,
} from "../../mod.ts";
import { seeded } from "../helpers/bytes.ts";
import { LOCAL, RawPeer } from "../helpers/sockets.ts";
import { Bell, Meter } from "./meter.ts";
import { describe, encode, type Frame, FrameReader, type Part, same } from "./octets.ts";
import { type Chop, close, type End, pieces, type Row } from "./rows.ts";

const CHOPS: readonly Chop[] = ["whole", "octet by octet"];

/** Runs a row against the library in the role `sut`, once for each of its ways to cut. */
export async function runRow(row: Row, sut: Role, patience = 10_000): Promise<void> {
  const { chops = CHOPS } = row;
  assert(chops.length > 0, `${row.id} against a ${sut}: no way to cut is named`);
  for (const chop of chops) {
    const trial = await Trial.start(sut, row.options);
    const timer = setTimeout(() => trial.giveUp(), patience);
    try {
      await trial.run(row, chop);
    } catch (error) {
      const how = typeof chop === "number" ? `in pieces of ${chop}` : chop;
      const message = trial.gaveUp ? `no end within ${patience} ms` : (error as Error).message;
      throw new Error(`${row.id} against a ${sut}, ${how}: ${message}\n${trial}`, { cause: error });
    } finally {
      clearTimeout(timer);
      await trial.clear();
    }
  }
}

/** One connection between the raw peer and the system under test. */
class Trial {
  /** Whether the time has run out. */
  gaveUp = false;
  readonly #sut: Role;
  readonly #conn: WsConn;
  readonly #meter: Meter;
  readonly #peer: RawPeer;
  readonly #bell: Bell;
  readonly #echo: Promise<unknown>;
  readonly #random = seeded(6455);
  /** Octets that had passed the meter when the handshake was done. */
  readonly #takenBefore: number;
  readonly #writtenBefore: number;
  readonly #reader: FrameReader;
  readonly #reading: Promise<void>;
  #sent = 0;
  #received = 0;
  /** Whether TCP has ended on the peer's side, and why if not in order. */
  #ended = false;
  #failure: unknown;
  readonly #expected: Frame[] = [];
  #compared = 0;

  private constructor(sut: Role, conn: WsConn, peer: RawPeer, meter: Meter, bell: Bell) {
    this.#sut = sut;
    this.#conn = conn;
    this.#peer = peer;
    this.#meter = meter;
    this.#bell = bell;
    this.#takenBefore = meter.taken;
    this.#writtenBefore = meter.written;
    this.#reader = new FrameReader(sut === "client");
    this.#reading = this.#read();
    this.#echo = echo(conn);
  }

  static async start(sut: Role, options: WsConnOptions = {}): Promise<Trial> {
    using listener = Deno.listen(LOCAL);
    const bell = new Bell();
    if (sut === "server") {
      const [peer, [meter, conn]] = await Promise.all([
        RawPeer.connect(listener.addr),
        listener.accept().then(async (tcp) => {
          const meter = new Meter(tcp, bell);
          return [meter, await wsAccept(meter, options)] as const;
        }),
      ]);
      return new Trial(sut, conn, peer, meter, bell);
    }
    const tcp = await Deno.connect({ hostname: LOCAL.hostname, port: listener.addr.port });
    const meter = new Meter(tcp, bell);
    const [peer, conn] = await Promise.all([
      RawPeer.accept(listener),
      wsConnect("ws://localhost/", { ...options, conn: meter }),
    ]);
    return new Trial(sut, conn, peer, meter, bell);
  }

  async run(row: Row, chop: Chop): Promise<void> {
    for (const turn of row.turns) {
      turn.act?.(this.#conn);
      await this.#send(turn.send, turn.chop ?? chop);
      await this.#expect(
        turn.back.map((back) => back instanceof Function ? back(this.#sut) : back),
      );
    }
    if (row.late !== undefined) {
      await this.#send(row.late, "part by part");
      await this.#expect([]);
    }
    const { end } = row;
    if (end.how === "open") {
      await this.#send([close(1000)], chop);
      await this.#expect([close(1000)]);
    }
    await this.#finish(end.how);
    assertEquals(await this.#conn.finished, infoOf(end), "conn.finished");
    checkEcho(await this.#echo, end);
  }

  /** Sends one piece after the other, each when the one before has been decoded; stops where TCP is closed. */
  async #send(parts: readonly Part[], chop: Chop): Promise<void> {
    for (const piece of chopped(parts.map((part) => this.#octets(part)), chop)) {
      try {
        await this.#peer.write(piece);
      } catch (error) {
        if (!this.#meter.closed) throw error;
      }
      if (this.#meter.closed) return;
      this.#sent += piece.length;
      await this.#bell.until(() => this.#decoded());
    }
  }

  #octets(part: Part): Uint8Array {
    if (part instanceof Uint8Array) return part;
    const key = [0, 0, 0, 0].map(() => this.#random(256));
    return encode(part, this.#sut === "server", key);
  }

  /** Waits for these frames, and until it is certain that nothing else is coming; everything must be as expected. */
  async #expect(back: readonly Frame[]): Promise<void> {
    this.#expected.push(...back);
    const { frames } = this.#reader;
    await this.#bell.until(() => frames.length >= this.#expected.length || this.#ended);
    await this.#settled();
    this.#compare();
  }

  /** Whether the system under test has decoded all that was sent: it has taken it, and waits for more. */
  #decoded(): boolean {
    const { closed, reading, taken } = this.#meter;
    return closed || reading && taken - this.#takenBefore === this.#sent;
  }

  /** Waits until the system under test has decoded all that was sent, and all that it answered has come. */
  async #settled(): Promise<void> {
    const meter = this.#meter;
    const quiet = () => this.#decoded() && (meter.closed || !meter.writing);
    do {
      await this.#bell.until(quiet);
      await new Promise<void>((resolve) => setImmediate(resolve)); // whatever goes on in this turn
    } while (!quiet());
    await this.#bell.until(() =>
      this.#ended || this.#received === meter.written - this.#writtenBefore
    );
  }

  #compare(): void {
    const { frames, left } = this.#reader;
    if (this.#failure !== undefined) throw this.#failure;
    const length = Math.max(frames.length, this.#expected.length);
    for (; this.#compared < length; this.#compared++) {
      const actual = frames[this.#compared], expected = this.#expected[this.#compared];
      if (same(actual, expected)) continue;
      const both = `came: ${describe(actual)}\n  expected: ${describe(expected)}`;
      throw new Error(`frame ${this.#compared + 1}\n  ${both}`);
    }
    assertEquals(left, 0, "octets behind the last whole frame");
  }

  /** TCP ends as it must: who says so first depends on how the row ends. */
  async #finish(how: End["how"]): Promise<void> {
    const { conn } = this.#peer;
    if (how === "failed") {
      // the Close must not be lost to a reset, so the system under test ends its half only, and waits for the peer
      await this.#bell.until(() => this.#ended);
      assert(!this.#meter.closed, "TCP must not be closed while the peer has not ended it");
    } else if (how === "lost" || this.#sut === "client") {
      // RFC 6455 §7.1.1: the server closes TCP first, the client waits for it
      assert(!this.#ended && !this.#meter.closed, "TCP must not be ended before the peer ends it");
      await conn.closeWrite();
    }
    await this.#bell.until(() => this.#ended);
    this.#compare();
    assertEquals(this.#received, this.#meter.written - this.#writtenBefore, "octets received");
    assertEquals(await this.#peer.next(), null, "what came right behind the handshake");
    conn.close();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(1 << 16);
    try {
      for (let length; (length = await this.#peer.conn.read(buffer)) !== null;) {
        this.#received += length;
        this.#reader.push(buffer.subarray(0, length));
        this.#bell.ring();
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#ended = true;
    this.#bell.ring();
  }

  /** Ends everything, so that whatever waits does so no longer. */
  giveUp(): void {
    this.gaveUp = true;
    this.#meter.close();
    this.#peer[Symbol.dispose]();
  }

  /** Leaves nothing behind. */
  async clear(): Promise<void> {
    this.#meter.close();
    this.#peer[Symbol.dispose]();
    await Promise.all([this.#reading, this.#echo, this.#conn.close()]);
  }

  toString(): string {
    const { frames, left } = this.#reader;
    const came = frames.slice(0, 12).map((frame) => `\n  ${describe(frame)}`).join("");
    return `${this.#sent} octets were sent; ${frames.length} frames and ${left} octets came:${came}`;
  }
}

/** The application of the system under test; what `recv` throws in the end, `undefined` if nothing. */
async function echo(conn: WsConn): Promise<unknown> {
  try {
    for await (const message of conn) await conn.send(message);
  } catch (error) {
    // too late to answer: what else has arrived can still be received, and how it ended
    return error instanceof WsConnectionClosed ? await drain(conn) : error;
  }
}

async function drain(conn: WsConn): Promise<unknown> {
  try {
    while (await conn.recv() !== null);
  } catch (error) {
    return error;
  }
}

/** The application learns how the connection ended, too. */
function checkEcho(outcome: unknown, end: End): void {
  if (end.how === "failed") {
    assertInstanceOf(outcome, WsProtocolError);
    assertEquals(outcome.closeCode, end.code, "closeCode");
  } else if (end.how === "lost") assertInstanceOf(outcome, WsConnectionLost);
  else assertEquals(outcome, undefined, "what recv throws");
}

/** What `finished` must settle with. */
function infoOf(end: End): CloseInfo {
  if (end.how === "closed") return end.info;
  if (end.how === "open") return { code: 1000, reason: "", wasClean: true };
  // RFC 6455 §7.1.5: no Close frame of the peer's was received
  return { code: 1006, reason: "", wasClean: false };
}

function chopped(parts: Uint8Array[], chop: Chop): Uint8Array[] {
  if (chop === "part by part") return parts;
  const whole = concat(parts);
  if (whole.length === 0 || chop === "whole") return [whole];
  return pieces(whole, chop === "octet by octet" ? 1 : chop);
}
