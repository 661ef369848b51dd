/** The chat of the examples: its server as a process of its own, and somebody who talks to it without a browser. */
import { assertEquals } from "@std/assert";
import type { ChatEvent, ChatRequest } from "../../examples/chat/messages.ts";
import { type WsConn, wsConnect, type WsConnectOptions } from "../../mod.ts";
import { Program } from "./program.ts";

const root = new URL("../../", import.meta.url).pathname;

/** The command of the server, with the permissions that its comment names, and one for its certificate if it has any. */
export function serverCommand(options: string[]): { args: string[]; cwd: string } {
  const read = ["examples/chat/page", ...(options.includes("--cert") ? ["examples/certs"] : [])];
  const run = ["run", "--allow-net", `--allow-read=${read}`];
  return { args: [...run, "examples/chat/server.ts", ...options], cwd: root };
}

/** Starts the server; ends it when disposed. */
export class ChatServer implements AsyncDisposable {
  readonly #program: Program;
  /** The address that it has printed. */
  readonly url: string;

  private constructor(program: Program, url: string) {
    this.#program = program;
    this.url = url;
  }

  static async start(...options: string[]): Promise<ChatServer> {
    const where = options.includes("--port") ? [] : ["--port", "0"];
    const { args, cwd } = serverCommand(["--host", "127.0.0.1", ...where, ...options]);
    const program = Program.deno(args, { cwd });
    const [, url = ""] = await program.line(/^Chat on (https?:\/\/127\.0\.0\.1:\d+\/)$/);
    return new ChatServer(program, url);
  }

  /** The options that start another one at the same place. */
  get place(): string[] {
    return ["--port", new URL(this.url).port];
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    return await this.#program.end(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

let made = 0;
/** An `id` or a `key`. */
export const token = (): string => `token-${++made}`.padEnd(16, "-");

/** A client that speaks the chat's protocol. */
export class Guest implements AsyncDisposable {
  constructor(readonly conn: WsConn) {}

  static async connect(server: { url: string }, options?: WsConnectOptions): Promise<Guest> {
    return new Guest(await wsConnect(server.url.replace("http", "ws"), options));
  }

  /** Connects, and says hello; returns the welcome too. */
  static async enter(server: { url: string }, name: string, key = token()) {
    const guest = await Guest.connect(server);
    await guest.send({ type: "hello", name, key });
    return { guest, welcome: await guest.next("welcome") };
  }

  async send(request: ChatRequest): Promise<void> {
    await this.conn.send(JSON.stringify(request));
  }

  async say(text: string, id = token()): Promise<void> {
    await this.send({ type: "say", id, text });
  }

  async event(): Promise<ChatEvent> {
    return JSON.parse(await this.conn.recv() as string);
  }

  /** The next event, which must be one of that type. */
  async next<T extends ChatEvent["type"]>(type: T): Promise<ChatEvent & { type: T }> {
    const event = await this.event();
    assertEquals(event.type, type, JSON.stringify(event));
    return event as ChatEvent & { type: T };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.conn.close();
  }
}
