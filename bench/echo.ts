/**
 * Side by side: this module, Deno's own WebSocket, npm ws on Deno, and a raw TCP echo of the same bytes. Every case runs
 * with each server in turn, several rounds of it interleaved, and the table gives the medians and their ratios to
 * Deno's own: the machine's mood cancels out. `deno task bench [--rounds 5] [--seconds 2] [--case 2]`
 */
import { TextLineStream } from "@std/streams";

const SERVERS = ["wsconn", "deno_native", "npm_ws", "raw_tcp"] as const;
type Server = typeof SERVERS[number];

/** Connections, messages in flight on each, bytes of a message, its type. */
const CASES: [number, number, number, "text" | "binary"][] = [
  [1, 1, 125, "text"],
  [1, 64, 16, "text"],
  [1, 1024, 16, "text"],
  [64, 1, 125, "text"],
  [64, 16, 1024, "binary"],
  [1, 4, 65536, "binary"],
];

interface Result {
  rate: number;
  p50: number;
  p99: number;
}

function option(name: string, standard: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at === -1 ? standard : Number(Deno.args[at + 1]);
}

const hasTaskset = await new Deno.Command("taskset", { args: ["--version"], stdout: "null" })
  .output().then(() => navigator.hardwareConcurrency > 1, () => false);

/** A script of this folder in a process of its own, on a core of its own where that can be had. */
function start(core: number, script: string, ...args: string[]): Deno.ChildProcess {
  const path = new URL(script, import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "-A", path, ...args];
  if (hasTaskset) command.unshift("taskset", "-c", String(core));
  return new Deno.Command(command[0]!, { args: command.slice(1), stdout: "piped" }).spawn();
}

async function firstLine(child: Deno.ChildProcess): Promise<string> {
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) return line;
  throw new Error("The process ended without a word");
}

async function measure(server: Server, load: (string | number)[]): Promise<Result> {
  const serving = start(0, `servers/${server}.ts`);
  try {
    const port = await firstLine(serving);
    const args = [port, ...load.map(String), ...(server === "raw_tcp" ? ["raw"] : [])];
    const loading = start(1, "load.ts", ...args);
    const result = JSON.parse(await firstLine(loading));
    await loading.status;
    return result;
  } finally {
    serving.kill("SIGKILL");
    await serving.status;
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

const rounds = option("rounds", 5);
const seconds = option("seconds", 2);
const only = option("case", 0);

console.log(
  `Messages a second, median of ${rounds} rounds of ${seconds} s (ratio to Deno's own):\n`,
);
console.log(`| case | ${SERVERS.join(" | ")} | p99 of a batch, wsconn / deno_native |`);
console.log(`|---|${"---|".repeat(SERVERS.length)}---|`);
for (const [index, [conns, depth, size, type]] of CASES.entries()) {
  if (only !== 0 && only !== index + 1) continue;
  const results = new Map<Server, Result[]>(SERVERS.map((server) => [server, []]));
  for (let round = 0; round < rounds; round++) {
    for (const server of SERVERS) {
      results.get(server)!.push(await measure(server, [conns, depth, size, type, seconds]));
    }
  }
  const of = (server: Server, field: keyof Result) =>
    median(results.get(server)!.map((result) => result[field]));
  const cells = SERVERS.map((server) => {
    const ratio = of(server, "rate") / of("deno_native", "rate");
    return `${Math.round(of(server, "rate")).toLocaleString("en")} (${ratio.toFixed(2)})`;
  });
  const p99 = `${of("wsconn", "p99")} / ${of("deno_native", "p99")} µs`;
  const name = `${conns} connection${conns > 1 ? "s" : ""} × ${depth} in flight, ${size} B ${type}`;
  console.log(`| ${name} | ${cells.join(" | ")} | ${p99} |`);
}
