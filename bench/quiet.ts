/** Notices when others keep the machine busy, and measures again. On Linux; elsewhere nobody can tell. */
import { cpuOf } from "./load/process.ts";

/** How much of one core others may use. */
const TOLERABLE = 0.1;
/** How often a measurement is repeated at most. */
const REPEATS = 2;

/** CPU that the processes of the bench have used, in seconds, this one apart: they tell when they end. */
let used = 0;

/** A process of the bench is about to end. */
export function noteEnd(pid: number): void {
  used += cpuOf(pid) || 0;
}

/** Seconds of CPU that all others have used since the machine was started. */
function others(): number {
  let stat;
  try {
    stat = Deno.readTextFileSync("/proc/stat");
  } catch {
    return NaN;
  }
  // user, nice, system, idle, iowait, irq, softirq, steal: in ticks of a hundredth
  const [user, nice, system, , , irq, softirq, steal] = stat.split(/\s+/, 9).slice(1).map(Number);
  const busy = (user! + nice! + system! + irq! + softirq! + steal!) / 100;
  return busy - used - cpuOf(Deno.pid);
}

/** Runs something; tells what share of a core others have used meanwhile. */
async function watched<T>(act: () => Promise<T>): Promise<{ result: T; share: number }> {
  const before = others();
  const start = performance.now();
  const result = await act();
  return { result, share: (others() - before) / (performance.now() - start) * 1000 };
}

/** Repeats what others have disturbed. */
export class Quiet {
  /** How many results were disturbed all the same. */
  disturbed = 0;
  /** How long there is to wait for a quiet machine, in all, in ms. */
  #patience: number;

  constructor(seconds: number) {
    this.#patience = seconds * 1000;
  }

  /** The least disturbed of at most three measurements. */
  async measure<T>(act: () => Promise<T>): Promise<T> {
    let best = await watched(act);
    for (let i = 0; i < REPEATS && best.share > TOLERABLE && this.#patience > 0; i++) {
      await this.#wait();
      const again = await watched(act);
      if (again.share < best.share) best = again;
    }
    if (best.share > TOLERABLE) this.disturbed++;
    return best.result;
  }

  async #wait(): Promise<void> {
    const start = performance.now();
    let share = 1;
    while (share > TOLERABLE && performance.now() - start < this.#patience) {
      ({ share } = await watched(() => new Promise((resolve) => setTimeout(resolve, 500))));
    }
    this.#patience -= performance.now() - start;
  }
}
