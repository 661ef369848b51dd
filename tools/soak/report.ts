/** What the two processes of the soak count, and how their memory is judged. */

const MiB = 1024 * 1024;

/** How much more memory the last third of the run may take than the middle third: a share of it, and some MiB. */
const TOLERANCE = { share: 0.1, slack: 32 };

/** What one end has done so far. */
export class Tally {
  /** Connections that are there. */
  open = 0;
  messages = 0;
  bytes = 0;
  pings = 0;
  /** How often each ending has come about. */
  ended: Record<string, number> = {};
  /** What went wrong: the first of it, and how much of it there was. */
  failures: string[] = [];
  failed = 0;

  fail(error: unknown): void {
    if (this.failed++ < 10) this.failures.push(Deno.inspect(error));
  }

  end(ending: string): void {
    this.ended[ending] = (this.ended[ending] ?? 0) + 1;
  }
}

/** The memory of a process, in bytes. */
export interface Sample {
  rss: number;
  heap: number;
}

export function sample(): Sample {
  const { rss, heapUsed, external } = Deno.memoryUsage();
  return { rss, heap: heapUsed + external };
}

/** What one process says to the other, line by line. */
export interface Report extends Sample {
  tally: Tally;
}

/**
 * Compares the last third of the samples with the middle third, the first being the time to warm up; returns what has
 * grown, or nothing. The heap goes up and down with the garbage, so it is its low points that are compared.
 */
export function growth(samples: Sample[]): string[] {
  const third = Math.floor(samples.length / 3);
  const middle = samples.slice(third, 2 * third), last = samples.slice(2 * third);
  const grown = [];
  for (const [what, at] of [["rss", 0.5], ["heap", 0.1]] as const) {
    const before = quantile(middle, what, at), after = quantile(last, what, at);
    if (after <= before * (1 + TOLERANCE.share) + TOLERANCE.slack * MiB) continue;
    grown.push(`${what} has grown from ${mib(before)} to ${mib(after)}`);
  }
  return grown;
}

function quantile(samples: Sample[], what: keyof Sample, share: number): number {
  const values = samples.map((sample) => sample[what]).sort((a, b) => a - b);
  return values[Math.floor(values.length * share)] ?? 0;
}

export function mib(bytes: number): string {
  return `${Math.round(bytes / MiB)} MiB`;
}
