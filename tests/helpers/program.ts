/** Programs in processes of their own. */
import { TextLineStream } from "@std/streams";
import { assert } from "@std/assert";

/** The path of an example. */
export function example(name: string): string {
  return new URL(`../../examples/${name}`, import.meta.url).pathname;
}

/** Runs Deno to its end, which must be a good one; returns what it prints. */
export async function runDeno(args: string[], options: Deno.CommandOptions = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, ...options })
    .output();
  const text = new TextDecoder().decode(stdout);
  assert(success, text + new TextDecoder().decode(stderr));
  return text;
}

/** A program and the lines that it prints; it is ended when this is disposed. What it says on a piped stderr is kept. */
export class Program implements AsyncDisposable {
  readonly pid: number;
  readonly status: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #complaining: Promise<void> | undefined;
  #printed = "";

  constructor(command: string, args: string[], options: Deno.CommandOptions = {}) {
    this.#child = new Deno.Command(command, { ...options, args, stdout: "piped" }).spawn();
    this.pid = this.#child.pid;
    this.status = this.#child.status;
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    this.#lines = text.pipeThrough(new TextLineStream()).getReader();
    if (options.stderr === "piped") this.#complaining = this.#keep(this.#child.stderr);
  }

  /** What it has said, as far as it was read. */
  get printed(): string {
    return this.#printed;
  }

  async #keep(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) this.#printed += text;
  }

  /** A program that runs on Deno. */
  static deno(args: string[], options: Deno.CommandOptions = {}): Program {
    return new Program(Deno.execPath(), args, options);
  }

  /** The next line that matches; throws if the program ends before. */
  async line(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const { value } = await this.#lines.read();
      if (value === undefined) {
        throw new Error(`No ${pattern} in what it printed:\n${this.#printed}`);
      }
      this.#printed += value + "\n";
      const match = value.match(pattern);
      if (match !== null) return match;
    }
  }

  /** Ends its piped standard input. */
  async endInput(): Promise<void> {
    await this.#child.stdin.close();
  }

  /** Sends it a signal, unless it has ended. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // it has ended
    }
  }

  /** Sends it a signal, and waits for its end. */
  async end(signal: Deno.Signal): Promise<Deno.CommandStatus> {
    this.signal(signal);
    await this.#lines.cancel();
    return await this.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.signal("SIGKILL"), 15_000);
    await this.end("SIGTERM"); // so that it can take its children with it
    clearTimeout(timer);
    await this.#complaining;
  }
}
