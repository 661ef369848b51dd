/**
 * What the tests of this folder have in common: an attack on a server in a process of its own, what it costs there, and
 * an honest connection to the same server that must not notice. `LIMITS_VERBOSE=1` prints the figures.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { type WsConn, wsConnect, type WsServeOptions } from "../../mod.ts";
import { certs } from "../helpers/certs.ts";

/** Those options of the server that can be told to another process, and whether it speaks TLS. */
export interface VictimOptions
  extends Pick<WsServeOptions, "maxMessageSize" | "handshakeTimeout" | "compression"> {
  tls?: boolean;
}

/** What a victim says of itself. */
export interface Report {
  /** By how much its memory has grown at most since the attack began, in bytes. */
  cost: number;
  /** How many connections it has. */
  connections: number;
  /** How many messages it has sent to clients whose request has a header `X-Pour`. */
  poured: number;
  /** What its `onError` was told since the attack began: the name, status or close code, and message of each error, counted. */
  errors: Record<string, number>;
}

/** A request that is in order. */
export const REQUEST: Uint8Array = new TextEncoder().encode(
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
);

const MiB = 1024 * 1024;
/** How long an echo of the honest connection may take at most, in ms, whatever else goes on. */
const PATIENCE = 3000;
/** How long a victim may take for anything else, in ms. */
const DEADLINE = 20_000;

/** `promise`, or an error if it does not settle in time. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Does something `count` times, so many at once as a listener keeps waiting. */
export async function times(
  count: number,
  act: (index: number) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < count; at += 250) {
    const length = Math.min(250, count - at);
    await Promise.all(Array.from({ length }, (_, index) => act(at + index)));
  }
}

/** A server to attack. */
export class Victim implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #addr: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 0 };
  readonly #scheme: string;

  constructor(options: VictimOptions) {
    const script = new URL("victim.ts", import.meta.url).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--v8-flags=--expose-gc", script, JSON.stringify(options)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
    this.#scheme = options.tls ? "wss" : "ws";
  }

  static async start(options: VictimOptions): Promise<Victim> {
    const victim = new Victim(options);
    victim.#addr = { ...victim.#addr, port: Number(await victim.#line()) };
    return victim;
  }

  /** Where it listens. */
  get addr(): Deno.NetAddr {
    return this.#addr;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#addr.port}/`;
  }

  /** A connection that nothing has been sent on. */
  async connect(): Promise<Deno.TcpConn> {
    return await Deno.connect({ ...this.#addr, transport: "tcp" });
  }

  /** What it says of itself; "begin" makes it count from now on. */
  async report(command: "begin" | "report" = "report"): Promise<Report> {
    await this.#input.write(new TextEncoder().encode(command + "\n"));
    return JSON.parse(await this.#line());
  }

  /** Its report as soon as it is as expected. */
  async reports(expected: (report: Report) => boolean): Promise<Report> {
    for (const end = performance.now() + DEADLINE;;) {
      const report = await this.report();
      if (expected(report)) return report;
      assert(performance.now() < end, `The victim is still at ${JSON.stringify(report)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #line(): Promise<string> {
    const { value } = await within(DEADLINE, "Answer of the victim", this.#lines.read());
    if (value === undefined) throw new Error("The victim has died");
    return value;
  }

  /** Tells it to shut down; nothing may be left that keeps the process from ending. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    try {
      const { code } = await within(DEADLINE, "End of the victim", this.#child.status);
      assertEquals(code, 0);
    } finally {
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // it has ended by itself
      }
      await this.#lines.cancel();
    }
  }
}

/** Clients that keep the rules: one that wants its echoes all the while, and now and then a new one. */
class Honest {
  /** How many echoes they got. */
  echoes = 0;
  /** How long the slowest of them took, of a new client from dialing on, in ms. */
  slowest = 0;
  readonly #url: string;
  readonly #conn: WsConn;
  #ended = false;
  readonly #running: Promise<void>;
  /** Rejects as soon as they are harmed. */
  readonly harmed: Promise<never>;

  constructor(url: string, conn: WsConn) {
    this.#url = url;
    this.#conn = conn;
    this.#running = this.#run();
    const { promise, reject } = Promise.withResolvers<never>();
    this.harmed = promise;
    this.harmed.catch(() => {}); // thrown by `end` too
    this.#running.catch(reject);
  }

  static async connect({ url }: Victim): Promise<Honest> {
    const conn = await wsConnect(url, { caCerts: [certs.ca] });
    // makes the victim warm: what is compiled, and the buffers that are kept, are not the attack's
    const sending = (async () => {
      for (let i = 0; i < 300; i++) await conn.send(new Uint8Array(i * 300));
    })();
    for (let i = 0; i < 300; i++) await conn.recv();
    await sending;
    return new Honest(url, conn);
  }

  async #run(): Promise<void> {
    for (let round = 0; !this.#ended; round++) {
      await this.#inTime(this.#echo(this.#conn));
      if (round % 10 === 0) await this.#newcomer();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await this.#inTime(this.#echo(this.#conn));
    await this.#newcomer();
    await this.#conn.close();
  }

  async #newcomer(): Promise<void> {
    const connecting = wsConnect(this.#url, { caCerts: [certs.ca] });
    await this.#inTime(connecting.then((conn) => this.#echo(conn)));
    await (await connecting).close();
  }

  async #echo(conn: WsConn): Promise<void> {
    const sent = `unharmed ${this.echoes++}`;
    await conn.send(sent);
    assertEquals(await conn.recv(), sent);
  }

  async #inTime(echo: Promise<void>): Promise<void> {
    const began = performance.now();
    await within(PATIENCE, "Honest echo", echo);
    this.slowest = Math.max(this.slowest, performance.now() - began);
  }

  /** Ends after one more echo; throws if one was wrong, or too late. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }
}

/**
 * Tests that an attack may cost the server no more than `atMost` MiB, that it harms no other connection, that it leaves
 * nothing behind, and that `onError` is told of exactly what `attacker` returns, if anything.
 */
export function attack(
  name: string,
  { atMost, ...options }: VictimOptions & { atMost: number },
  attacker: (victim: Victim) => Promise<Report["errors"] | void>,
): void {
  Deno.test(name, async () => {
    await using victim = await Victim.start(options);
    const honest = await Honest.connect(victim);
    await victim.report("begin");
    const began = performance.now();
    const errors = await Promise.race([attacker(victim), honest.harmed]);
    const took = performance.now() - began;
    await honest.end();
    const report = await victim.reports((report) => report.connections === 0);
    const cost = report.cost / MiB;
    print(name, cost, atMost, honest, took);
    if (errors !== undefined) assertEquals(report.errors, errors);
    assertLess(cost, atMost, `${cost.toFixed(1)} MiB were taken, at most ${atMost} expected`);
  });
}

const verbose =
  Deno.permissions.querySync({ name: "env", variable: "LIMITS_VERBOSE" }).state === "granted" &&
  Deno.env.get("LIMITS_VERBOSE") === "1";

function print(name: string, cost: number, atMost: number, honest: Honest, took: number): void {
  if (!verbose) return;
  const { echoes, slowest } = honest;
  console.log(
    `| ${name} | ${cost.toFixed(1)} of ${atMost} MiB | ${echoes} honest echoes, ` +
      `${slowest.toFixed(1)} ms at most | ${took.toFixed(0)} ms |`,
  );
}
