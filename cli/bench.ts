/** The command `bench`: loads an echo server. */
import { parseArgs } from "node:util";
import type { WsConnectOptions } from "../client.ts";
import { type Command, HELP, numberOf, onlyOne, type Option, parsed, RUN } from "./arguments.ts";
import { CONNECTING, connectOptions, explain } from "./connecting.ts";
import type { Histogram } from "./histogram.ts";
import { Interrupt } from "./interrupt.ts";
import { type Job, Load } from "./load.ts";
import { grouped, Printer } from "./printing.ts";

const OPTIONS = {
  connections: {
    type: "string",
    short: "c",
    value: "NUMBER",
    help: "How many connections. Default: 10.",
  },
  "in-flight": {
    type: "string",
    value: "NUMBER",
    help: "How many messages are on their way on each.\nDefault: 1.",
  },
  size: {
    type: "string",
    value: "BYTES",
    help: "How long a message is. Default: 64.",
  },
  binary: { type: "boolean", help: "Send binary messages rather than text." },
  duration: {
    type: "string",
    value: "SECONDS",
    help: "How long to measure, once all are connected.\nDefault: 10.",
  },
  json: { type: "boolean", help: "Print the results as one object of JSON." },
  ...CONNECTING,
  help: HELP,
} as const satisfies Record<string, Option>;

/** See the help. */
export const BENCH: Command = {
  usage: "bench [OPTIONS] URL",
  about: `Loads a server that echoes. Every answer is followed by the next message; the
time from a message to its answer is measured.`,
  options: OPTIONS,
  more: `The load is made by one thread: where it is busy all the time, it is what is
measured. Latencies above 0.13 ms are right to within 1 %.

Exit codes:
  0  all went well
  1  could not connect, connections were lost, or what came back was no echo
  2  wrong usage, or a permission or file that is missing
  130 or 143 after Ctrl-C or SIGTERM, with the results until then

Example:
  ${RUN} bench -c 100 --size 1000 ws://localhost:8080/`,
  run: bench,
};

async function bench(args: string[]): Promise<number> {
  const { values, positionals } = parsed(() =>
    parseArgs({ args, options: OPTIONS, allowPositionals: true })
  );
  const url = onlyOne("URL", positionals);
  const { binary = false, json = false } = values;
  const job = {
    connections: numberOf("connections", values.connections, 10, { min: 1, max: 1e6 }),
    inFlight: numberOf("in-flight", values["in-flight"], 1, { min: 1, max: 1e6 }),
    size: numberOf("size", values.size, 64, { min: 0, max: 2 ** 24 }),
    binary,
    duration: numberOf("duration", values.duration, 10, { min: 0.1, max: 1e6, whole: false }),
  };
  const options = await connectOptions(values);
  using interrupt = new Interrupt();
  using printer = new Printer(interrupt);
  const load = new Load(url, job, options);
  const progress = Deno.stderr.isTerminal() ? showProgress(load, job, printer) : undefined;
  await Promise.race([load.run(interrupt.signal), interrupt.again]);
  clearInterval(progress);
  if (progress !== undefined) await printer.show("");
  if (load.error !== undefined) await printer.line("stderr", problemOf(load, options));
  if (json) await printer.json(resultOf(url, job, load));
  else if (load.opened > 0) {
    for (const line of reportOf(job, load)) await printer.line("stdout", line);
  }
  if (interrupt.signal.aborted) return interrupt.code;
  return load.error === undefined ? 0 : 1;
}

/** What went wrong first, and how often. */
function problemOf({ error, opened, failed, lost }: Load, options: WsConnectOptions): string {
  if (opened === 0) return explain(error, options);
  const counts = [failed && `${failed} could not be opened`, lost && `${lost} ended too early`];
  const [few, more] = counts.filter(Boolean);
  const of = few ? ` (of ${opened + failed} connections ${few}${more ? `, ${more}` : ""})` : "";
  return `${(error as Error).message}${of}`;
}

/** Every so often, in ms, the progress bar is drawn; so many characters of it are the bar. */
const REDRAW = 200, BAR = 30;

function showProgress(
  load: Load,
  { connections }: Job,
  printer: Printer,
): ReturnType<typeof setInterval> {
  return setInterval(() => {
    const done = Math.round(load.progress * BAR);
    const percent = `${Math.floor(load.progress * 100)} %`.padStart(5);
    void printer.show(
      load.progress === 0
        ? `Connected: ${load.opened} of ${connections}`
        : `[${"#".repeat(done).padEnd(BAR, ".")}] ${percent}  ${grouped(load.rate)} messages/s`,
    );
  }, REDRAW);
}

/** The results as numbers. Times are in ms unless they are called seconds; MB are those of 10^6 bytes. */
function resultOf(url: string, job: Job, load: Load): object {
  const { opened, failed, lost, messages, seconds, rate, latency, handshakes } = load;
  const { origin, pathname } = new URL(url);
  return {
    url: origin + pathname, // without a password, or a token in the query
    connections: { opened, failed, lost },
    inFlight: job.inFlight,
    size: job.size,
    binary: job.binary,
    seconds,
    messages,
    messagesPerSecond: rate,
    megabytesPerSecond: rate * job.size / 1e6,
    latency: percentiles(latency),
    handshake: percentiles(handshakes),
  };
}

function percentiles(times: Histogram): Record<"p50" | "p90" | "p99" | "max", number> {
  return {
    p50: times.quantile(0.5),
    p90: times.quantile(0.9),
    p99: times.quantile(0.99),
    max: times.max,
  };
}

/** The results in words. */
function reportOf({ inFlight, size, binary }: Job, load: Load): string[] {
  const { opened, messages, seconds, rate, latency, handshakes } = load;
  const times = (histogram: Histogram) =>
    Object.entries(percentiles(histogram)).map(([name, ms]) => `${name} ${grouped(ms, 2)}`)
      .join("   ");
  return [
    `${grouped(opened)} connections, ${grouped(inFlight)} in flight on each, ${
      grouped(size)
    } B of ${binary ? "binary" : "text"}, ${grouped(seconds, 1)} s`,
    `messages    ${grouped(messages)}   ${grouped(rate)} a second`,
    `payload     ${grouped(rate * size / 1e6, 2)} MB/s each way`,
    `latency     ${times(latency)} ms`,
    `handshakes  ${times(handshakes)} ms`,
  ];
}
