/** How often somebody may do something: `burst` times at once, and `rate` times a second on the long run. */
export class Allowance {
  readonly #burst: number;
  readonly #rate: number;
  #left: number;
  #time = performance.now();

  constructor(burst: number, rate: number) {
    this.#burst = burst;
    this.#rate = rate;
    this.#left = burst;
  }

  /** Takes one, also when none is left; returns how many are left, less than 0 if that was too many. */
  take(): number {
    const now = performance.now();
    const earned = (now - this.#time) / 1000 * this.#rate;
    this.#time = now;
    return this.#left = Math.min(this.#burst, this.#left + earned) - 1;
  }

  /** After how many seconds there is one to take again. */
  get wait(): number {
    return Math.max(0, (1 - this.#left) / this.#rate);
  }
}
