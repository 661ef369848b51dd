/** The load that `bench` puts on an echo server, and what is measured of it. */
import { setTimeout as delay } from "node:timers/promises";
import { wsConnect, type WsConnectOptions } from "../client.ts";
import type { WsConn } from "../conn.ts";
import type { WsMessage } from "../framing/mod.ts";
import { Histogram } from "./histogram.ts";

/** What is to be done. */
export interface Job {
  connections: number;
  /** Messages on their way on each connection. */
  inFlight: number;
  /** Bytes of a message. */
  size: number;
  binary: boolean;
  /** How long to measure, in seconds. */
  duration: number;
}

/** How many connections are opened at once, and how long a close may take, in seconds. */
const OPENING_AT_ONCE = 50, CLOSE_TIMEOUT = 2;

/** One run; its fields tell how far it has come. */
export class Load {
  /** Connections that were opened, could not be, and ended before the time. */
  opened = 0;
  failed = 0;
  lost = 0;
  /** Messages that came back. */
  messages = 0;
  /** How long it was measured, in seconds. */
  seconds = 0;
  readonly latency: Histogram = new Histogram();
  readonly handshakes: Histogram = new Histogram();
  /** The first thing that went wrong. */
  error: unknown;
  readonly #url: string;
  readonly #job: Job;
  readonly #options: WsConnectOptions;
  readonly #message: WsMessage;
  /** When measuring began. */
  #began = 0;
  /** Ends measuring before its time. */
  readonly #over: AbortController = new AbortController();

  constructor(url: string, job: Job, options: WsConnectOptions) {
    this.#url = url;
    this.#job = job;
    this.#options = { ...options, closeTimeout: CLOSE_TIMEOUT };
    this.#message = messageOf(job);
  }

  /** How much of the time is over, from 0 to 1. */
  get progress(): number {
    return Math.min(this.#elapsed() / this.#job.duration, 1);
  }

  /** Messages a second until now. */
  get rate(): number {
    const elapsed = this.seconds || this.#elapsed();
    return elapsed === 0 ? 0 : this.messages / elapsed;
  }

  /** Runs to its end, or until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const conns = await this.#openAll(signal);
    if (conns.length > 0 && !signal.aborted) await this.#measure(conns, signal);
    await Promise.all(conns.map((conn) => conn.close()));
  }

  async #openAll(signal: AbortSignal): Promise<WsConn[]> {
    const conns: WsConn[] = [];
    let left = this.#job.connections;
    const worker = async () => {
      while (left-- > 0 && !signal.aborted && (this.failed === 0 || this.opened > 0)) {
        const began = performance.now();
        try {
          conns.push(await wsConnect(this.#url, { ...this.#options, signal }));
          this.handshakes.record(performance.now() - began);
          this.opened++;
        } catch (error) {
          if (signal.aborted) return;
          this.failed++;
          this.error ??= error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(OPENING_AT_ONCE, left) }, worker));
    return conns;
  }

  async #measure(conns: WsConn[], signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#over.signal]);
    this.#began = performance.now();
    const all = conns.map((conn) => this.#drive(conn, over));
    const time = delay(this.#job.duration * 1000, undefined, { signal: over }).catch(() => {});
    await Promise.race([time, Promise.all(all)]);
    this.seconds = this.#elapsed();
    this.#over.abort();
    if (this.messages === 0 && !signal.aborted) {
      this.error ??= new Error(`Nothing came back within ${this.seconds.toFixed(1)} s`);
    }
  }

  /** Keeps so many messages on their way on one connection. */
  async #drive(conn: WsConn, over: AbortSignal): Promise<void> {
    const { inFlight } = this.#job;
    const sent = new Float64Array(inFlight); // when, in turn: an echo keeps the order
    const send = (turn: number) => {
      sent[turn] = performance.now();
      // not awaited: answers have to be received for the server to go on reading. How the connection ends, recv tells.
      conn.send(this.#message).catch(() => {});
    };
    try {
      for (let turn = 0; turn < inFlight; turn++) send(turn);
      for (let turn = 0;; turn = (turn + 1) % inFlight) {
        const answer = await conn.recv();
        if (over.aborted) return;
        if (answer === null) throw new Error("The server closed a connection");
        if (!this.#isEcho(answer)) {
          this.error ??= new Error("The server does not echo: it answers with another message");
          return this.#over.abort();
        }
        this.latency.record(performance.now() - sent[turn]!);
        this.messages++;
        send(turn);
      }
    } catch (error) {
      if (over.aborted) return;
      this.lost++;
      this.error ??= error;
    }
  }

  #isEcho(answer: WsMessage): boolean {
    const message = this.#message;
    return typeof message === "string"
      ? answer === message
      : typeof answer !== "string" && answer.length === message.length;
  }

  #elapsed(): number {
    return this.#began === 0 ? 0 : (performance.now() - this.#began) / 1000;
  }
}

/** Letters and digits by chance, which compress neither well nor badly; or bytes by chance. */
function messageOf({ size, binary }: Job): WsMessage {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536)); // which gives no more at once
  }
  if (binary) return bytes;
  const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
  return new TextDecoder().decode(bytes.map((byte) => letters.charCodeAt(byte & 63)));
}
