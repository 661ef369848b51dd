/** Notices connections on which nothing arrives, with one timer for all of them. */

/** What is watched: the wire of a connection. */
export interface Watched {
  /** Whether a read is under way; otherwise silence means nothing. */
  readonly reading: boolean;
}

/** For how long nothing may arrive, in ms, and what is to be done then. */
export interface Deadline {
  readonly after: number;
  readonly act: () => void;
}

/** The watch over one connection. */
export interface Watch {
  /** To be set whenever something has arrived. */
  heard: boolean;
  readonly watched: Watched;
  /** In the order in which they pass. */
  readonly deadlines: Deadline[];
  /** When something was heard last, as far as is known, and how many deadlines have passed since. */
  since: number;
  passed: number;
}

const watches = new Set<Watch>();
let timer: ReturnType<typeof setInterval> | undefined;
let interval = Infinity;

/** Begins to watch: each deadline is told once in a silence, when it has passed or at most a quarter later. */
export function watch(watched: Watched, deadlines: Deadline[]): Watch {
  deadlines.sort((a, b) => a.after - b.after);
  const entry = { heard: false, watched, deadlines, since: performance.now(), passed: 0 };
  if (deadlines.length === 0) return entry;
  watches.add(entry);
  const finer = Math.min(Math.max(deadlines[0]!.after / 8, 5), 5000);
  if (finer < interval) {
    clearInterval(timer);
    interval = finer;
    timer = setInterval(look, interval);
  }
  return entry;
}

/** Ends to watch. */
export function unwatch(entry: Watch): void {
  if (!watches.delete(entry) || watches.size > 0) return;
  clearInterval(timer);
  interval = Infinity;
}

function look(): void {
  const now = performance.now();
  for (const entry of watches) {
    if (entry.heard || !entry.watched.reading) {
      entry.heard = false;
      entry.since = now;
      entry.passed = 0;
    }
    const deadline = entry.deadlines[entry.passed];
    if (deadline !== undefined && now - entry.since >= deadline.after) {
      entry.passed++;
      deadline.act();
    }
  }
}
