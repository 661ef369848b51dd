/**
 * What may have to wait for zlib is written once, as steps: a generator that yields what it waits for. What never waits runs
 * through at once, without a promise.
 */
import { setImmediate } from "node:timers/promises";

/** Steps to a result; each is a promise to wait for, or nothing. */
export type Steps<T> = Generator<Promise<unknown> | undefined, T, void>;

/** The next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return setImmediate();
}

/** The result of steps that wait for nothing. */
export function atOnce<T>(steps: Steps<T>): T {
  const { value, done } = steps.next();
  if (!done) throw new Error("There is something to wait for");
  return value;
}

/** Looked at so often, in milliseconds: that is far longer than zlib takes, even if the machine stands still meanwhile. */
const LOOKS = 10, INTERVAL = 200;

/** The result of steps that may have to wait, but not for ever. */
export async function inTime<T>(steps: Steps<T>): Promise<T> {
  let looks = 0;
  let giveUp: ((error: Error) => void) | undefined;
  const watch = setInterval(() => {
    if (++looks > LOOKS) giveUp?.(new Error("The protocol stalls for ever"));
  }, INTERVAL);
  try {
    let step = steps.next();
    while (!step.done) {
      const { value } = step;
      looks = 0;
      try {
        await new Promise<unknown>((resolve, reject) => {
          giveUp = reject;
          if (value === undefined) resolve(undefined);
          else value.then(resolve, reject);
        });
      } catch (error) {
        step = steps.throw(error);
        continue;
      }
      step = steps.next();
    }
    return step.value;
  } finally {
    clearInterval(watch);
  }
}
