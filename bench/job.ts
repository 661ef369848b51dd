/** What the processes of the bench tell each other, as JSON. */

/** What one process is to measure of another. */
export interface Job {
  /** What is done; see the file of that name in `load/`. */
  mode: "echo" | "broadcast" | "sink" | "source" | "idle" | "deflate";
  conns: number;
  /** Messages in flight on each connection. */
  depth: number;
  /** Bytes of a message. */
  size: number;
  type: "text" | "binary";
  tls: boolean;
  /** The same bytes over TCP or TLS, without a WebSocket. */
  raw: boolean;
  /** How long to measure, behind a warm-up. */
  seconds: number;
  /** Where the other process serves, and its id. */
  port: number;
  pid: number;
  /** Which of the two is measured; the other one must not be what holds them up. */
  measured: "server" | "client";
}

/** What can be measured; the units are in report.ts. */
export type Measure =
  | "rate"
  | "mb"
  | "p50"
  | "p99"
  | "cpu"
  | "peak"
  | "idle"
  | "opened"
  | "wire"
  | "start";

/** What was measured. */
export type Result = Partial<Record<Measure, number>> & {
  /** Whether the process that measures was busy all the time, and busier than the measured one. */
  heldUp?: boolean;
};

/** How long to wait, in seconds, before measuring: until V8 has compiled most of what runs. */
export function warmUp(seconds: number): number {
  return Math.min(1.5, 3 * seconds);
}
