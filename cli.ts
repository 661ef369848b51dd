/**
 * The command line: a client for people and scripts, an echo server, and a load generator.
 *
 * ```sh
 * deno run -N jsr:@wsconn/ws/cli wss://host/path
 * deno run -N jsr:@wsconn/ws/cli serve
 * deno run -N jsr:@wsconn/ws/cli bench ws://localhost:8080/
 * deno run -N jsr:@wsconn/ws/cli --help
 * ```
 *
 * @example From a program: what is wrong with a command line is printed, and told by the exit code
 * ```ts
 * import { main } from "@wsconn/ws/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await main(["--insecure", "wss://localhost/"]), 2);
 * ```
 *
 * @module
 */
import { type Command, helpOf, RUN, UsageError } from "./cli/arguments.ts";
import { BENCH } from "./cli/bench.ts";
import { CONNECT } from "./cli/connect.ts";
import { escape } from "./cli/printing.ts";
import { SERVE } from "./cli/serve.ts";

const COMMANDS = new Map<string, Command>([
  ["connect", CONNECT],
  ["serve", SERVE],
  ["bench", BENCH],
]);

const OTHERS = `Other commands:
  serve      An echo server to try clients with.
  bench URL  Loads an echo server, and prints rates and latencies.

  ${RUN} serve --help
  ${RUN} bench --help

Installed under a name of its own: deno install -gN -n ws jsr:@wsconn/ws/cli`;

/**
 * Runs a command line. It reads standard input, prints to standard output and standard error, and may leave a read of
 * standard input behind: a program that has nothing else to do ends with `Deno.exit` and the code.
 *
 * Needs `--allow-net` for the addresses used, and `--allow-read` for files that options name. Options that need other
 * permissions say so in the help.
 *
 * @param args The arguments, as `Deno.args` has them.
 * @returns The exit code: 0 if all went well, 1 if the connection failed, 2 if the arguments are wrong; others as the
 * help says.
 *
 * @example
 * ```ts
 * import { main } from "@wsconn/ws/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await main(["serve", "--port", "http"]), 2);
 * ```
 */
export async function main(args: string[]): Promise<number> {
  const [name = "", ...rest] = args;
  const named = COMMANDS.get(name);
  const command = named ?? CONNECT;
  if (args.length === 0 || asksForHelp(args)) {
    console.log(named === undefined ? `${helpOf(CONNECT)}\n\n${OTHERS}` : helpOf(named));
    return args.length === 0 ? 2 : 0;
  }
  try {
    return await command.run(named === undefined ? args : rest);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const of = named === undefined ? "" : ` ${name}`;
    console.error(`${error.message.split("\n").map(escape).join("\n")}\nHelp: ${RUN}${of} --help`);
    return 2;
  }
}

/** Whether there is a `--help` or `-h` that is an option, wherever it stands. */
function asksForHelp(args: string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end === -1 ? undefined : end).some((arg) =>
    arg === "--help" || arg === "-h"
  );
}

if (import.meta.main) Deno.exit(await main(Deno.args));
