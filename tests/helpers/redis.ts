/** A real redis-server (or valkey-server) for tests, and buses over it. */
import { createClient } from "npm:redis@6.3.1";
import type { WsMessage } from "../../mod.ts";
import { type RedisBus, redisBus, type RedisBusOptions } from "../../redis.ts";
import { randomBytes, seeded } from "./bytes.ts";
import { runs } from "./node.ts";
import { Program } from "./program.ts";

const command = await runs("redis-server", "--version")
  ? "redis-server"
  : await runs("valkey-server", "--version")
  ? "valkey-server"
  : undefined;

/** For `Deno.test`: whether to leave a test out because there is no server, which its name then says. */
export function needsRedis(name: string): { name: string; ignore: boolean } {
  const why = " (ignored: no redis-server on this machine)";
  return { name: command ? name : name + why, ignore: command === undefined };
}

/** A server of its own on a free port of 127.0.0.1, that saves nothing; it can be killed and started again. */
export class RedisServer implements AsyncDisposable {
  readonly folder: string;
  readonly port: number;
  readonly #args: string[];
  #program: Program | undefined;

  private constructor(folder: string, port: number, args: string[]) {
    this.folder = folder;
    this.port = port;
    this.#args = args;
  }

  /** Starts one; more of its options as `args`, where "FOLDER" stands for a folder that goes with it, and "PORT" for its port. */
  static async start(...args: string[]): Promise<RedisServer> {
    const folder = await Deno.makeTempDir();
    for (let tries = 0;; tries++) {
      const server = new RedisServer(folder, freePort(), args);
      try {
        await server.restart();
        return server;
      } catch (error) {
        await server.kill();
        if (tries === 5) throw error; // somebody else took the port, again and again
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, on the same port, and waits until it can be connected to. */
  async restart(): Promise<void> {
    const port = `${this.port}`;
    const program = this.#program = new Program(command!, [
      ...["--port", port, "--bind", "127.0.0.1", "--dir", this.folder],
      ...["--save", "", "--appendonly", "no"],
      ...this.#args.map((arg) => arg.replace("FOLDER", this.folder).replace("PORT", port)),
    ], { stderr: "null" });
    await program.line(/Ready to accept connections/);
  }

  /** Sends a signal to it. */
  signal(signal: Deno.Signal): void {
    this.#program?.signal(signal);
  }

  /** Kills it: every connection is gone, and nobody listens any more. */
  async kill(): Promise<void> {
    await this.#program?.end("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** A port that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Waits until something has become so, of which there is no event. */
export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!await isSo()) {
    if (Date.now() > deadline) throw new Error(`Not within 30 s: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A bus that has nothing to report: if it does, the test fails. */
export function quiet(options: RedisBusOptions): Promise<RedisBus> {
  return redisBus({ ...options, onError: reportError });
}

/** A bus, and what it reports. */
export async function observed(
  options: RedisBusOptions,
): Promise<{ bus: RedisBus; errors: string[] }> {
  const errors: string[] = [];
  const onError = (error: unknown) => void errors.push((error as Error).message);
  return { bus: await redisBus({ ...options, onError }), errors };
}

/** What arrives on a topic of a bus, one after the other. */
export async function inbox(bus: RedisBus, topic: string) {
  const { readable, writable } = new TransformStream<WsMessage, WsMessage>();
  const reader = readable.getReader(), writer = writable.getWriter();
  await bus.subscribe(topic, (message) => void writer.write(message));
  return {
    async next(): Promise<WsMessage> {
      return (await reader.read()).value!;
    },
  };
}

/** A client that is no bus. */
export async function stranger(server: RedisServer) {
  const client = createClient({ url: server.url });
  await client.connect();
  return {
    client,
    async [Symbol.asyncDispose]() {
      if (client.isOpen) await client.close();
    },
  };
}

/** Messages that are easily changed on their way. */
export const MESSAGES: WsMessage[] = [
  "",
  "a text",
  "\ufeffGrüße, 世界 👋\0",
  new Uint8Array(),
  Uint8Array.of(0, 1, 254, 255),
  randomBytes(seeded(1), 300_000),
  "end",
];
