/** What clients have in common: client.ts's importers take a `Job` as JSON, and print a `Result`. */
import type { Job } from "../job.ts";
import { Meter } from "../load/meter.ts";

export const job: Job = JSON.parse(Deno.args[0]!);
export const url = `ws://127.0.0.1:${job.port}/`;
/** What is sent; what is received has the same size. */
export const message = job.type === "text"
  ? "x".repeat(job.size)
  : new Uint8Array(job.size).fill(0x78);

const meter = new Meter(job);
const timed = job.depth === 1;

/** One connection: counts its replies, and tells whether to send another message. */
export class Replies {
  #since = performance.now();

  /** One more, of so many bytes. */
  count(size: number): boolean {
    if (size !== job.size) throw new Error(`Received ${size} bytes, expected ${job.size} bytes`);
    meter.count(1, timed ? { since: this.#since } : {});
    if (timed) this.#since = performance.now();
    return !meter.ended;
  }
}

/** Measures connections that each keep `depth` messages in flight. */
export async function measure(load: (replies: Replies) => Promise<void>): Promise<void> {
  const conns = Array.from({ length: job.conns }, () => load(new Replies()));
  console.log(JSON.stringify(await meter.run(Promise.all(conns))));
  setInterval(() => {}, 60_000); // whoever reads the line ends both sides, the server first
}
