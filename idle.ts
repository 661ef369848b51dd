/** Notices connections on which nothing arrives, with one timer for all of them. */

/** What is watched: a connection. */
export interface Watched {
  /** Whether a read is under way; otherwise silence means nothing. */
  readonly reading: boolean;
}

/** For how long nothing may arrive, in ms, and what is to be done then. */
export interface Deadline<T extends Watched> {
  readonly after: number;
  readonly act: (silent: T) => void;
}

/** The watch over one connection. */
export interface Watch {
  /** To be set whenever something has arrived. */
  heard: boolean;
  /** Does what is to be done, if it is time. */
  look(now: number): void;
}

class Entry<T extends Watched> implements Watch {
  heard = false;
  readonly #watched: T;
  readonly #deadlines: readonly Deadline<T>[];
  /** When something was heard last, as far as is known, and how many deadlines have passed since. */
  #since = performance.now();
  #passed = 0;

  constructor(watched: T, deadlines: readonly Deadline<T>[]) {
    this.#watched = watched;
    this.#deadlines = deadlines;
  }

  look(now: number): void {
    if (this.heard || !this.#watched.reading) {
      this.heard = false;
      this.#since = now;
      this.#passed = 0;
    }
    const deadline = this.#deadlines[this.#passed];
    if (deadline !== undefined && now - this.#since >= deadline.after) {
      this.#passed++;
      deadline.act(this.#watched);
    }
  }
}

const watches = new Set<Watch>();
let timer: ReturnType<typeof setInterval> | undefined;
let interval = Infinity;

/**
 * Begins to watch: each deadline is told once in a silence, when it has passed or at most a quarter later.
 *
 * @param watched The connection.
 * @param deadlines In the order in which they pass; many connections can share them.
 */
export function watch<T extends Watched>(watched: T, deadlines: readonly Deadline<T>[]): Watch {
  const entry = new Entry(watched, deadlines);
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
  for (const entry of watches) entry.look(now);
}
