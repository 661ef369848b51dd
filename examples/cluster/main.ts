/**
 * A server on every core: one worker process for each, all on the same port, among which Linux shares the connections out.
 *
 *     deno run --allow-run examples/cluster/main.ts [--port 8080] [--workers 4]
 *
 * A worker that dies is replaced. Ctrl-C (SIGINT) or SIGTERM ends all; SIGHUP replaces all, one after the other, so that
 * somebody always listens. Clients are told 1001, and may come back at once.
 */
import { parseArgs } from "node:util";
import { TextLineStream } from "jsr:@std/streams@^1";

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    port: { type: "string", default: "8080" },
    workers: { type: "string", default: String(navigator.hardwareConcurrency) },
  },
});
let port = options.port;

/** How long the first replacement waits, in ms; each one after it twice as long, up to a limit. */
const SHORTEST_DELAY = 100;
const LONGEST_DELAY = 30_000;
/** A worker that lived so long, in ms, was well: the next delay is the shortest again. */
const WELL = 60_000;

class WorkerProcess {
  /** Whether it was asked to end. */
  stopping = false;
  /** Settles with the port once it listens, or with `undefined` if it has ended before. */
  readonly listening: Promise<string | undefined>;
  readonly #born = performance.now();
  readonly #child: Deno.ChildProcess;

  constructor() {
    const script = new URL("worker.ts", import.meta.url).href;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--unstable-net", "--allow-net", script, port],
      stdin: "piped", // its end is how a worker is told to end, and learns that this process has died
      stdout: "piped",
    }).spawn();
    const lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())[Symbol.asyncIterator]();
    this.listening = lines.next().then(({ value }) => {
      void this.#print(lines);
      return value;
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  get age(): number {
    return performance.now() - this.#born;
  }

  /** Settles when it has ended. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** Has it tell its clients 1001, and end. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.#child.stdin.close().catch(() => {}); // it is dead already
    await this.status;
  }

  /** Prints what it says. */
  async #print(lines: AsyncIterator<string>): Promise<void> {
    for (let line; !(line = await lines.next()).done;) console.log(`[${this.pid}] ${line.value}`);
  }
}

const workers = new Set<WorkerProcess>();
let ending = false;
let delay = SHORTEST_DELAY;

/** Starts a worker, and sees to it that it is replaced when it dies. Returns whether it listens. */
async function start(): Promise<boolean> {
  const worker = new WorkerProcess();
  workers.add(worker);
  void worker.status.then(() => workers.delete(worker));
  const listensOn = await worker.listening;
  if (listensOn === undefined) return false;
  port = listensOn; // so that 0, any free port, is the same one for all
  console.log(`Worker ${worker.pid} listens`);
  void worker.status.then((status) => replace(worker, status));
  return true;
}

/** Starts another worker for one that has ended, unless it was to end. */
async function replace(worker: WorkerProcess, { code, signal }: Deno.CommandStatus): Promise<void> {
  if (worker.age > WELL) delay = SHORTEST_DELAY;
  const isWanted = () => !ending && !worker.stopping;
  if (isWanted()) console.log(`Worker ${worker.pid} died: ${signal ?? code}`);
  while (isWanted()) {
    console.log(`Another one starts in ${delay} ms`);
    await new Promise((resolve) => setTimeout(resolve, delay));
    delay = Math.min(2 * delay, LONGEST_DELAY);
    if (ending || await start()) return;
  }
}

async function startAll(): Promise<void> {
  if (!await start()) Deno.exit(1); // it has said why
  await Promise.all(Array.from({ length: Number(options.workers) - 1 }, start));
  console.log(`${workers.size} workers on ws://localhost:${port}/`);
}

/** Replaces all workers, one after the other; if a new one does not start, the old ones stay. */
async function replaceAll(): Promise<void> {
  for (const worker of [...workers]) {
    if (ending || !await start()) return;
    await worker.stop();
  }
  console.log("All workers are new");
}

async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  await Promise.all(Array.from(workers, (worker) => worker.stop()));
  Deno.exit();
}

let changing = startAll();
Deno.addSignalListener("SIGHUP", () => changing = changing.then(replaceAll));
Deno.addSignalListener("SIGINT", () => void end());
Deno.addSignalListener("SIGTERM", () => void end());
