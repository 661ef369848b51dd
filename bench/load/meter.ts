import { type Job, type Result, warmUp } from "../job.ts";
import { cpuOf, memoryOf } from "./process.ts";

/** More than that many are not needed for a percentile. */
const MAX_LATENCIES = 1e6;
/** A process above this share of a core has no time left. */
const BUSY = 0.9;

/** Counts what happens between the end of the warm-up and the end of the measurement. */
export class Meter {
  /** Whether it is over: nothing more needs to be sent. */
  ended = false;
  readonly #job: Job;
  #measuring = false;
  #messages = 0;
  #bytes = 0;
  readonly #latencies: number[] = [];

  constructor(job: Job) {
    this.#job = job;
  }

  /** Counts messages that are done: since when the last one was waited for, or how many bytes they took on the wire. */
  count(messages: number, { since, bytes = 0 }: { since?: number; bytes?: number } = {}): void {
    if (!this.#measuring) return;
    this.#messages += messages;
    this.#bytes += bytes;
    if (since !== undefined && this.#latencies.length < MAX_LATENCIES) {
      this.#latencies.push(performance.now() - since);
    }
  }

  /** Measures `work`, which is under way and must not end before the time is over. */
  async run(work: Promise<unknown>): Promise<Result> {
    const { seconds } = this.#job;
    const early = work.then(() =>
      Promise.reject(new Error("The connections have ended too early"))
    );
    await Promise.race([pause(warmUp(seconds)), early]);
    const usage = watchCpu(this.#job);
    this.#measuring = true;
    await Promise.race([pause(seconds), early]);
    this.#measuring = false;
    this.ended = true;
    const messages = this.#messages;
    const { elapsed, cpu, heldUp } = usage();
    const rate = messages / elapsed;
    return {
      rate,
      mb: rate * this.#job.size / 1e6,
      ...this.#percentiles(),
      cpu: cpu / messages * 1e6,
      peak: memoryOf(this.#job.measured === "server" ? this.#job.pid : Deno.pid, "peak") / 2 ** 20,
      wire: this.#bytes / messages,
      heldUp,
    };
  }

  #percentiles(): Result {
    const sorted = Float64Array.from(this.#latencies).sort();
    if (sorted.length === 0) return {};
    const at = (share: number) => sorted[Math.floor(sorted.length * share)]! * 1000;
    return { p50: at(0.5), p99: at(0.99) };
  }
}

/** Watches both processes; the function that it returns tells how much CPU the measured one has used since. */
export function watchCpu({ pid, measured }: Job) {
  const pids = measured === "server" ? [pid, Deno.pid] : [Deno.pid, pid];
  const before = pids.map(cpuOf);
  const start = performance.now();
  return () => {
    const elapsed = (performance.now() - start) / 1000;
    const [cpu, other] = pids.map((pid, index) => cpuOf(pid) - before[index]!) as [number, number];
    return { elapsed, cpu, heldUp: other / elapsed > BUSY && other > cpu };
  };
}

/** Waits, in seconds. */
export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
