/** The command `connect`: a client for people and for scripts. */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { wsConnect } from "../client.ts";
import type { WsConn } from "../conn.ts";
import { WsConnectionClosed } from "../errors.ts";
import { CloseCode, type CloseInfo, type Version } from "../framing/mod.ts";
import {
  type Command,
  HELP,
  numberOf,
  onlyOne,
  type Option,
  parsed,
  RUN,
  UsageError,
} from "./arguments.ts";
import { CONNECTING, connectOptions, explain } from "./connecting.ts";
import { Events } from "./events.ts";
import { type Input, openInput } from "./input.ts";
import { Interrupt } from "./interrupt.ts";
import { Printer } from "./printing.ts";
import { readTyped, type Typed, TYPED_HELP } from "./typed.ts";

const VERSIONS: readonly string[] = ["rfc6455", "hixie-76", "hixie-75"] satisfies Version[];

const OPTIONS = {
  ...CONNECTING,
  version: {
    type: "string",
    value: "VERSION",
    help: "Speak another WebSocket than rfc6455: a draft of\n2010, hixie-76 or hixie-75.",
  },
  once: {
    type: "boolean",
    help: "End after the first message that arrives.",
  },
  wait: {
    type: "string",
    value: "SECONDS",
    help: "How long to wait for messages after the end of\n" +
      "piped input; Infinity: until the server closes.\nDefault: 1, and with --once Infinity.",
  },
  commands: {
    type: "boolean",
    help: "Obey commands in piped input too; without this\nevery line of it is a message.",
  },
  json: {
    type: "boolean",
    help: "Print all that happens as JSON, one object a line;\nbinary in base64.",
  },
  verbose: {
    type: "boolean",
    short: "v",
    help:
      "Print the time and size of messages, and how the\nconnection begins and ends. Default at a terminal.",
  },
  help: HELP,
} as const satisfies Record<string, Option>;

/** Exit codes. */
const OK = 0, FAILED = 1, USAGE = 2, CLOSED_BY_SERVER = 3, NO_ANSWER = 4;

/** As long as a timer can wait, in seconds; longer is for ever. */
const MAX_WAIT = 2147483;

/** How long it takes at most, in ms, to see that lines which are there already come too late. */
const GRACE = 100;

/** The codes of a server that has just come to its end. */
const EXPECTED: readonly number[] = [CloseCode.Normal, CloseCode.GoingAway, CloseCode.NoStatus];

/** See the help. */
export const CONNECT: Command = {
  usage: "[OPTIONS] URL",
  about: `Connects to a WebSocket server (ws: or wss:). Each line that is typed is sent as
a text message. Each message that arrives is printed: control characters are
escaped (\\n, \\x1b), of binary the first bytes are shown. Ctrl-D closes.`,
  options: OPTIONS,
  more: `Commands, at a terminal:
${TYPED_HELP.map((line) => `  ${line}`).join("\n")}

Piped input is sent line by line, and the connection closed behind it.
Messages go to standard output, all else to standard error.

Exit codes:
  0  all went well
  1  could not connect, lost the connection, or the server broke the protocol
  2  wrong usage, a missing permission or file, or input that is not UTF-8
  3  the server closed with another code than 1000, 1001 or none, or before
     all input was sent
  4  --once, and no message arrived
  130 or 143 after Ctrl-C or SIGTERM

Examples:
  ${RUN} wss://example.com/chat
  echo hi | ${RUN} --once wss://example.com
  ${RUN} -H 'Cookie: id=1' --json wss://example.com/feed`,
  run: connect,
};

async function connect(args: string[]): Promise<number> {
  const { values, positionals } = parsed(() =>
    parseArgs({ args, options: OPTIONS, allowPositionals: true })
  );
  const address = onlyOne("URL", positionals);
  const { version = "rfc6455", once = false, json = false } = values;
  if (!VERSIONS.includes(version)) {
    throw new UsageError(
      `--version must be one of ${VERSIONS.join(", ")}: current value is "${version}"`,
    );
  }
  const typed = Deno.stdin.isTerminal();
  const settings = {
    once,
    typed,
    wait: numberOf("wait", values.wait, once ? Infinity : 1, { min: 0, whole: false }),
    commands: typed || values.commands === true,
  };
  const options = await connectOptions(values);
  using interrupt = new Interrupt();
  using printer = new Printer(interrupt);
  const events = new Events(printer, { json, details: values.verbose ?? Deno.stdout.isTerminal() });
  const { signal } = interrupt;
  let conn;
  try {
    conn = await wsConnect(address, { ...options, version: version as Version, signal });
  } catch (error) {
    if (signal.aborted) return interrupt.code;
    await events.error(explain(error, options), error);
    return FAILED;
  }
  await events.open(new URL(address), conn);
  const input = openInput(printer, () => interrupt.raise());
  return await new Conversation(conn, events, settings).run(input, interrupt);
}

/** How a conversation goes. */
interface Settings {
  /** Whether it ends after the first message that arrives. */
  once: boolean;
  /** Whether somebody types, who can be told of a mistake and go on. */
  typed: boolean;
  /** How long messages are awaited after the end of the input, in seconds. */
  wait: number;
  /** Whether lines may be commands. */
  commands: boolean;
}

/** Sends what comes in, prints what arrives, and finds the exit code. */
class Conversation {
  readonly #conn: WsConn;
  readonly #events: Events;
  readonly #settings: Settings;
  /** Whether this side has closed first. */
  #closing = false;
  #received = false;
  /** Whether the server closed before all was sent. */
  #unsent = false;
  /** The exit code, if something else went wrong. */
  #failed = OK;

  constructor(conn: WsConn, events: Events, settings: Settings) {
    this.#conn = conn;
    this.#events = events;
    this.#settings = settings;
  }

  /** Goes on until the connection has ended, and then ends the input too; returns the exit code. */
  async run(input: Input, interrupt: Interrupt): Promise<number> {
    void interrupt.once.then(() => this.#close());
    const sending = this.#sendAll(input.lines);
    await Promise.race([this.#receiveAll(), interrupt.again]);
    await Promise.race([sending, delay(GRACE)]);
    input[Symbol.dispose]();
    const info = await Promise.race([this.#conn.finished, interrupt.again]);
    const code = interrupt.signal.aborted ? interrupt.code : await this.#codeOf(info!);
    if (info) await this.#events.close(info, code === CLOSED_BY_SERVER);
    return code;
  }

  async #receiveAll(): Promise<void> {
    try {
      for await (const message of this.#conn) {
        await this.#events.message(message);
        this.#received = true;
        if (this.#settings.once) return this.#close();
      }
    } catch (error) {
      await this.#fail(FAILED, error);
    }
  }

  async #sendAll(lines: AsyncIterable<string>): Promise<void> {
    try {
      for await (const line of lines) await this.#take(line);
      if (!this.#settings.typed) await this.#waitForAnswers();
      this.#close();
    } catch (error) {
      // the connection has ended: whoever receives knows more
      if (error instanceof WsConnectionClosed) this.#unsent = !this.#closing;
      else await this.#fail(USAGE, error);
    }
  }

  async #take(line: string): Promise<void> {
    if (!this.#settings.commands) return await this.#conn.send(line);
    try {
      await this.#obey(readTyped(line));
    } catch (error) {
      if (!this.#settings.typed || error instanceof WsConnectionClosed) throw error;
      await this.#events.error((error as Error).message);
    }
  }

  async #obey(typed: Typed): Promise<void> {
    switch (typed.do) {
      case "send":
        return await this.#conn.send(typed.message);
      case "ping": {
        const pong = this.#conn.ping().then((time) => this.#events.ping(time));
        if (!this.#settings.typed) return await pong;
        // whoever types need not wait for it
        return void pong.catch((error) => this.#events.error(error.message));
      }
      case "close":
        return this.#close(typed.code, typed.reason);
      case "help":
        for (const line of TYPED_HELP) await this.#events.note(line);
    }
  }

  async #waitForAnswers(): Promise<void> {
    const { wait } = this.#settings;
    if (wait > MAX_WAIT) return void await this.#conn.finished;
    const over = new AbortController();
    void this.#conn.finished.then(() => over.abort());
    await delay(wait * 1000, undefined, { signal: over.signal }).catch(() => {});
  }

  #close(code?: number, reason?: string): void {
    if (this.#conn.closed) return;
    this.#closing = true;
    void this.#conn.close(code, reason);
  }

  async #fail(code: number, error: unknown): Promise<void> {
    this.#failed ||= code;
    await this.#events.error((error as Error).message);
    this.#close();
  }

  async #codeOf({ code, wasClean }: CloseInfo): Promise<number> {
    if (this.#failed !== OK) return this.#failed;
    const { once } = this.#settings;
    if (once && this.#received) return OK;
    if (!this.#closing && (this.#unsent || !EXPECTED.includes(code))) {
      if (this.#unsent) await this.#events.error("The server closed before all input was sent");
      return CLOSED_BY_SERVER;
    }
    if (once) {
      await this.#events.error("No message arrived");
      return NO_ANSWER;
    }
    if (wasClean) return OK;
    await this.#events.error("The connection was lost: the server did not answer the Close");
    return FAILED;
  }
}
