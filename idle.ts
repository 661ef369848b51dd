/** Notices connections on which nothing arrives, with one timer for all of them. */

/** One connection that is watched. */
export interface Watch {
  /** To be set whenever something has arrived. */
  heard: boolean;
  /** How long nothing may arrive, in ms. */
  readonly timeout: number;
  /** Is called when nothing has. */
  readonly onIdle: () => void;
  /** When something was heard last, as far as is known. */
  since: number;
}

const watches = new Set<Watch>();
let timer: ReturnType<typeof setInterval> | undefined;
let interval = Infinity;

/** Begins to watch: `onIdle` is called when for `timeout` ms, or at most a quarter more, nothing was heard. */
export function watch(timeout: number, onIdle: () => void): Watch {
  const watched: Watch = { heard: false, timeout, onIdle, since: performance.now() };
  watches.add(watched);
  const finer = Math.min(Math.max(timeout / 8, 5), 5000);
  if (finer < interval) {
    clearInterval(timer);
    interval = finer;
    timer = setInterval(look, interval);
  }
  return watched;
}

/** Ends to watch. */
export function unwatch(watched: Watch): void {
  watches.delete(watched);
  if (watches.size > 0) return;
  clearInterval(timer);
  interval = Infinity;
}

function look(): void {
  const now = performance.now();
  for (const watched of watches) {
    if (watched.heard) {
      watched.heard = false;
      watched.since = now;
    } else if (now - watched.since >= watched.timeout) {
      watched.since = now;
      watched.onIdle();
    }
  }
}
