/** The command line as a process of its own, with the permissions that are named and no others. */
import { toText } from "@std/streams";

const CLI = new URL("../../cli.ts", import.meta.url).pathname;

/** What a run of it came to. */
export interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

/** How it is run. */
export interface RunOptions {
  /** What is piped in; it ends behind that. Default: nothing. */
  stdin?: string | Uint8Array;
  /** Default: the network only. */
  permissions?: string[];
  /** Environment variables, besides those of the tests. */
  env?: Record<string, string>;
}

/** A run that goes on. */
export class Running implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stdout: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;
  /** What it has printed on standard output, and how much of that was waited for. */
  printed = "";
  #seen = 0;

  constructor(command: string, args: string[], env: Record<string, string> = {}) {
    this.child = new Deno.Command(command, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      // Deno's own check for updates would go through a proxy of the environment too
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    }).spawn();
    this.#stdin = this.child.stdin.getWriter();
    this.#stdout = this.child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stderr = toText(this.child.stderr);
  }

  /** Types, or pipes in, `text`. */
  async type(text: string | Uint8Array): Promise<void> {
    await this.#stdin.write(typeof text === "string" ? new TextEncoder().encode(text) : text);
  }

  /** Ends standard input. */
  async endInput(): Promise<void> {
    await this.#stdin.close().catch(() => {}); // it has ended
  }

  /** Waits until standard output has `pattern`, behind what was waited for before; returns the match. */
  async until(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.printed.slice(this.#seen).match(pattern);
      if (match !== null) {
        this.#seen += match.index! + match[0].length;
        return match;
      }
      const { value, done } = await this.#stdout.read();
      if (done) {
        throw new Error(`It ended without ${pattern}: ${this.printed}${await this.#stderr}`);
      }
      this.printed += value;
    }
  }

  /** Closes its standard output, as a reader that has read enough; waits for its end. */
  async stopReading(): Promise<{ code: number }> {
    await this.#stdout.cancel();
    return await this.child.status;
  }

  /** Waits for its end. */
  async end(): Promise<Run> {
    for (let read; !(read = await this.#stdout.read()).done;) this.printed += read.value;
    const { code } = await this.child.status;
    return { code, stdout: this.printed, stderr: await this.#stderr };
  }

  /** Ends it, whatever it does. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.endInput();
    await this.end();
  }
}

/** The arguments of `deno` for those of the command line. */
export function argsOf(args: string[], permissions = ["-N"]): string[] {
  return ["run", "--no-prompt", ...permissions, CLI, ...args];
}

/** Starts it. */
export function startCli(args: string[], { permissions, env }: RunOptions = {}): Running {
  return new Running(Deno.execPath(), argsOf(args, permissions), env);
}

/** Runs it to its end. */
export async function runCli(args: string[], options: RunOptions = {}): Promise<Run> {
  await using running = startCli(args, options);
  const piped = running.type(options.stdin ?? "").then(() => running.endInput());
  piped.catch(() => {}); // it ended before it had taken all
  return await running.end();
}

/** Runs cases, eight at a time; each is a step of the test, which checks what its run came to. */
export async function checkEach<C extends { name: string; code?: number }>(
  t: Deno.TestContext,
  cases: C[],
  run: (one: C) => Promise<Run>,
  check: (run: Run, one: C) => void,
): Promise<void> {
  const runs: Run[] = [];
  let next = 0;
  const worker = async () => {
    for (let at; (at = next++) < cases.length;) runs[at] = await run(cases[at]!);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  for (const [at, one] of cases.entries()) {
    await t.step(`${one.code ?? 0}: ${one.name}`, () => check(runs[at]!, one));
  }
}
