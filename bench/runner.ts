/** Starts the processes of one measurement, and ends them. */
import { TextLineStream } from "@std/streams";
import type { Case, Peer } from "./cases.ts";
import type { Job, Result } from "./job.ts";
import { noteEnd } from "./quiet.ts";
import { median } from "./report.ts";

const NPM_WS = "npm:ws@8.23.0";
/** A process that says nothing for so long, in seconds, besides the time for which it measures, has failed. */
const PATIENCE = 30;
/** How often a program is started in one round. */
const STARTS = 5;

async function runs(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"], stdout: "null" }).output())
      .success;
  } catch {
    return false; // there is none
  }
}

const BUN = Deno.env.get("BUN") ?? "bun";
const [hasTaskset, hasNode, hasBun] = await Promise.all(["taskset", "node", BUN].map(runs));
const cores = navigator.hardwareConcurrency;
const pinned = hasTaskset && cores > 1;

/** Whom this machine cannot run, and why. */
export const missing = new Map<Peer, string>();
if (!hasNode) missing.set("ws_node", "there is no node on the PATH");
if (!hasBun) missing.set("bun", "there is no bun on the PATH, and $BUN names none");

type Command = [program: string, ...args: string[]];

function deno(script: string, ...args: string[]): Command {
  return [Deno.execPath(), "run", "-A", pathOf(script), ...args];
}

/** One of several workers on a port; 0 takes a free one. */
function worker(port: number, ...args: string[]): Command {
  const flags = ["run", "-A", "--unstable-net"];
  return [Deno.execPath(), ...flags, pathOf("servers/wsconn.ts"), ...args, "shared", `${port}`];
}

function pathOf(script: string): string {
  return new URL(script, import.meta.url).pathname;
}

async function serverOf(peer: Peer, args: string[], { job }: Case): Promise<Command> {
  switch (peer) {
    case "floor":
      return deno("servers/floor.ts", job.mode, String(job.depth), String(job.size));
    case "ws_deno":
      return deno("servers/npm_ws.mjs", NPM_WS, ...args);
    case "ws_node":
      await import(NPM_WS); // downloads it
      return ["node", pathOf("servers/npm_ws.mjs"), import.meta.resolve(NPM_WS), ...args];
    case "bun":
      return [BUN, pathOf("servers/bun.mjs"), ...args];
    case "one_worker":
      return worker(0, ...args);
    default:
      return deno(`servers/${peer}.ts`, ...args);
  }
}

function clientOf(peer: Peer, job: string): Command {
  if (peer === "wsconn") return deno("clients/wsconn.ts", job);
  if (peer === "raw_tcp") return deno("load.ts", job); // speaks WebSocket to the mirror, without one of its own
  return deno("clients/events.ts", job, ...(peer === "ws_deno" ? [NPM_WS] : []));
}

/** What a user starts; for raw TCP, nothing but a listener. */
function starterOf(peer: Peer): Command {
  if (peer === "wsconn") return deno("../examples/echo_server.ts", "--port", "0");
  return deno(peer === "raw_tcp" ? "servers/listen.ts" : `servers/${peer}.ts`);
}

/** Measures a case on a peer once, in processes of its own: what is measured on one core, the other side on another. */
export async function measure(test: Case, peer: Peer, seconds: number): Promise<Result> {
  const { job, start, twoWorkers = false } = test;
  if (start) return await measureStart(peer);
  const { size, type, tls, mode, measured } = job;
  const args = tls ? ["tls", mode] : [mode];
  const isServer = measured === "server";
  const isShared = twoWorkers && peer === "wsconn";
  await using serving = isServer
    ? new Process(isShared ? worker(0, ...args) : await serverOf(peer, args, test), 0)
    : new Process(deno("servers/mirror.ts", String(size), type), 1);
  const port = Number(await serving.firstLine());
  await using second = isShared ? new Process(worker(port, ...args), 1) : undefined;
  await second?.firstLine();
  const raw = isServer && peer === "raw_tcp";
  const task = JSON.stringify({ ...job, raw, seconds, port, pid: serving.pid } satisfies Job);
  await using measuring = isServer
    ? new Process(deno("load.ts", task), twoWorkers && cores > 2 ? 2 : 1)
    : new Process(clientOf(peer, task), 0);
  const result = JSON.parse(await measuring.firstLine(seconds)) as Result;
  await Promise.all([serving.end(), second?.end()]); // before the other side, whose end they would have to deal with
  return result;
}

async function measureStart(peer: Peer): Promise<Result> {
  const times = [];
  for (let i = 0; i < STARTS; i++) {
    const began = performance.now();
    await using starting = new Process(starterOf(peer), 0);
    await starting.firstLine();
    times.push(performance.now() - began);
  }
  return { start: median(times) };
}

/** A process, on a core of its own where that can be had, and what it prints. */
class Process implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #ended = false;

  constructor(command: Command, core: number) {
    const [program, ...args] = pinned ? ["taskset", "-c", String(core), ...command] : command;
    this.#child = new Deno.Command(program!, { args, stdout: "piped" }).spawn();
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    this.#lines = text.pipeThrough(new TextLineStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  async firstLine(seconds = 0): Promise<string> {
    const timer = setTimeout(() => void this.end(), (PATIENCE + 2 * seconds) * 1000);
    const { value } = await this.#lines.read();
    clearTimeout(timer);
    if (value === undefined) throw new Error("A process ended, or took too long, without a result");
    return value;
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    noteEnd(this.pid);
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended by itself
    }
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.#lines.cancel();
  }
}
