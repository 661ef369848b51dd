/** Programs in processes of their own. */
import { TextLineStream } from "@std/streams";

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

  /** Sends it a signal, unless it has ended. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // it has ended
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGTERM"); // so that it can take its children with it
    const timer = setTimeout(() => this.signal("SIGKILL"), 15_000);
    await this.status;
    clearTimeout(timer);
    await this.#lines.cancel();
    await this.#complaining;
  }
}
