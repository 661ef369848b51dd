/** What the commands make of their arguments: the tables of options, the checks of values, and the help. */

/** The command line is wrong; `main` prints the message, and exits with 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * One option: what `parseArgs` needs to know of it, and what the help says. That parser is Node's (node:util), which
 * Deno brings along: nothing to fetch, and what it takes is what people are used to.
 */
export interface Option {
  type: "string" | "boolean";
  short?: string;
  multiple?: boolean;
  /** What stands for the value in the help, such as "FILE". */
  value?: string;
  /** One or more lines. */
  help: string;
}

/** One command: what it does, and all that its help says. */
export interface Command {
  /** The way it is written, behind {@linkcode RUN}. */
  usage: string;
  /** What it is for. */
  about: string;
  options: Readonly<Record<string, Option>>;
  /** What stands below the options. */
  more: string;
  /** Does it; returns the exit code. */
  run(args: string[]): Promise<number>;
}

/** How this program is started. */
export const RUN = "deno run -N jsr:@wsconn/ws/cli";

/** Every command has it. */
export const HELP: Option = { type: "boolean", short: "h", help: "Print this help." };

/** The help of a command, lines of at most 80 columns. */
export function helpOf({ usage, about, options, more }: Command): string {
  const rows = Object.entries(options).map(([name, { short, value, help }]) => {
    const names = `${short === undefined ? "    " : `-${short}, `}--${name}`;
    return [value === undefined ? names : `${names} ${value}`, help] as const;
  });
  const width = Math.max(...rows.map(([names]) => names.length)) + 2;
  const table = rows.map(([names, help]) =>
    "  " + names.padEnd(width) + help.replaceAll("\n", "\n  " + " ".repeat(width))
  );
  return [`Usage: ${RUN} ${usage}`, about, "Options:\n" + table.join("\n"), more].join("\n\n");
}

/** What `parse` returns, a call of `parseArgs`, whose errors become those of the command line. */
export function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}

/** The only argument of a command that is no option. */
export function onlyOne(what: string, positionals: string[]): string {
  const [only, ...others] = positionals;
  if (only === undefined) throw new UsageError(`The ${what} is missing`);
  if (others.length > 0) {
    throw new UsageError(
      `Cannot take ${positionals.length} arguments: expected the ${what} only, got also ${
        others.map((other) => `"${other}"`).join(", ")
      }`,
    );
  }
  return only;
}

/** The value of an option that is a number, `standard` if it is not given. */
export function numberOf(
  name: string,
  value: string | undefined,
  standard: number,
  { min, max = Infinity, whole = true }: {
    min: number;
    max?: number;
    whole?: boolean;
  },
): number {
  if (value === undefined) return standard;
  const number = value.trim() === "" ? NaN : Number(value); // of "" it would make 0
  if (!(number >= min && number <= max) || (whole && !Number.isInteger(number))) {
    const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new UsageError(
      `--${name} must be a ${whole ? "whole " : ""}number ${range}: current value is "${value}"`,
    );
  }
  return number;
}

/** The text of the file that an option names. Needs `--allow-read`, and says how to give it. */
export async function readFileOf(name: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const why = error instanceof Deno.errors.NotCapable
      ? `reading files takes a permission of its own: deno run -N --allow-read=${path} …`
      : (error as Error).message;
    throw new UsageError(`Cannot read "${path}" for --${name}: ${why}`);
  }
}
