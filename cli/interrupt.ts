/** Ctrl-C and SIGTERM, with the exit codes of shells: 128 and the signal's number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Takes the signals that ask this program to end, until it is disposed. */
export class Interrupt implements Disposable {
  /** The exit code of whoever is interrupted. */
  code: number = SIGNALS.SIGINT;
  readonly #aborter = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  readonly #second = Promise.withResolvers<void>();
  readonly #listeners = Object.entries(SIGNALS)
    .filter(([name]) => name === "SIGINT" || Deno.build.os !== "windows") // which has no other
    .map(([name, code]) => [name as Deno.Signal, () => this.raise(code)] as const);

  constructor() {
    for (const [name, listener] of this.#listeners) Deno.addSignalListener(name, listener);
  }

  /** Is aborted by the first signal: end in good order. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** Settles with the first signal. */
  get once(): Promise<void> {
    return this.#first.promise;
  }

  /** Settles with the second signal: end at once. */
  get again(): Promise<void> {
    return this.#second.promise;
  }

  /** A signal has arrived, or Ctrl-C as a key. */
  raise(code: number = SIGNALS.SIGINT): void {
    if (this.signal.aborted) return this.#second.resolve();
    this.code = code;
    this.#aborter.abort();
    this.#first.resolve();
  }

  /** Leaves the signals to Deno again. */
  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}
