/**
 * The clients of the soak, in a process of their own: `clients.ts PORT CONNECTIONS SECONDS SEED`. Keeps so many connections
 * open, each with a life of its own (traffic.ts), and puts a new one in the place of each that has ended. Prints a line of
 * JSON every now and then, and a last one when the time is up and all have closed.
 */
import { type CloseInfo, type WsConn, wsConnect, WsConnectionLost } from "../../mod.ts";
import { closeNow } from "../../transport.ts";
import { ResettableConn } from "./resettable_conn.ts";
import { type Report, sample, Tally } from "./report.ts";
import { IN_FLIGHT, isAbrupt, type Plan, planOf, Traffic } from "./traffic.ts";
import { clientOptions, receive, send } from "./ways.ts";

const [port, connections, seconds, seed] = Deno.args.map(Number) as [
  number,
  number,
  number,
  number,
];
const hostname = "127.0.0.1";
/** So many bursts a second are sent on all connections together, if the machine can do it. */
const RATE = 300;

const tally = new Tally();
let next = 0;
let stopping = false;
const sleeping = new Map<ReturnType<typeof setTimeout>, () => void>();

/** Waits, at most until it is time to stop. */
function pause(ms: number): Promise<void> {
  if (stopping) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      sleeping.delete(timer);
      resolve();
    }, ms);
    sleeping.set(timer, resolve);
  });
}

function stop(): void {
  stopping = true;
  for (const [timer, resolve] of sleeping) {
    clearTimeout(timer);
    resolve();
  }
}

/** One connection from its beginning to its end. */
class Life {
  readonly #plan: Plan;
  readonly #sent: Traffic;
  readonly #echoes: Traffic;
  readonly #conn: WsConn;
  readonly #transport: Deno.Conn;
  readonly #pings: Promise<unknown>[] = [];
  /** Whether it has ended itself in such a way that a message may be cut through. */
  #cut = false;
  /** Who waits until this many echoes have come. */
  #waiting: { count: number; resolve: () => void } | undefined;

  constructor(id: number, plan: Plan, conn: WsConn, transport: Deno.Conn) {
    this.#plan = plan;
    this.#sent = new Traffic(seed, id);
    this.#echoes = new Traffic(seed, id);
    this.#conn = conn;
    this.#transport = transport;
  }

  static async begin(id: number): Promise<Life> {
    const plan = planOf(seed, id);
    const transport = plan.ending === "reset"
      ? await ResettableConn.connect(port, hostname)
      : await Deno.connect({ hostname, port });
    const conn = await wsConnect(`ws://${hostname}:${port}/${id}`, {
      ...clientOptions(plan.random),
      conn: transport,
    });
    return new Life(id, plan, conn, transport);
  }

  /** Lives it; throws if anything comes about that is not planned. */
  async live(): Promise<void> {
    try {
      const receiving = this.#receive();
      await Promise.race([this.#send(), receiving]);
      const ending = stopping && !this.#done ? "close" : this.#plan.ending;
      if (ending === "close") await Promise.race([this.#allEchoed(), receiving]);
      const info = await this.#end(ending);
      await receiving;
      this.#check(ending, info);
      tally.end(ending);
    } catch (error) {
      closeNow(this.#transport);
      throw error;
    }
  }

  /** Whether all that was planned has been sent. */
  get #done(): boolean {
    return this.#sent.count === this.#plan.messages;
  }

  async #send(): Promise<void> {
    const { bursts, random } = this.#plan;
    for (const burst of bursts) {
      await pause(random(Math.ceil(2000 * connections / RATE)));
      await this.#echoed(this.#sent.count - IN_FLIGHT); // where the machine is slow, nothing piles up
      if (stopping) return;
      const messages = Array.from({ length: burst }, () => this.#sent.next());
      if (random(4) === 0) this.#ping();
      await Promise.all(messages.map((message) => send(this.#conn, message, random)))
        .catch((error) => {
          // the server closes once it has them all, which may be before it is known here that they have left
          if (!(this.#plan.ending === "server-close" && this.#done)) throw error;
        });
    }
  }

  #ping(): void {
    const pong = this.#conn.ping().then(() => void tally.pings++);
    this.#pings.push(pong);
    pong.catch(() => {}); // thrown by #allEchoed, where none may be lost
  }

  async #receive(): Promise<void> {
    const { random } = this.#plan;
    try {
      for (let message; (message = await receive(this.#conn, random)) !== null;) {
        this.#echoes.take(message);
        tally.messages++;
        tally.bytes += message.length;
        if (this.#echoes.count === this.#waiting?.count) this.#waiting.resolve();
      }
    } catch (error) {
      if (!(this.#cut && error instanceof WsConnectionLost)) throw error;
    }
  }

  /** Waits until so many messages have come back. */
  async #echoed(count: number): Promise<void> {
    if (this.#echoes.count >= count) return;
    await new Promise<void>((resolve) => this.#waiting = { count, resolve });
  }

  async #allEchoed(): Promise<void> {
    await this.#echoed(this.#sent.count);
    await Promise.all(this.#pings);
  }

  #end(ending: Plan["ending"]): Promise<CloseInfo> {
    const conn = this.#conn;
    this.#cut = isAbrupt(ending) || ending === "close-early";
    if (ending === "close" || ending === "close-early") {
      // the reason tells the server how many messages it must have got
      return conn.close(this.#plan.code, `${this.#sent.count}`);
    }
    if (ending === "kill") this.#transport.close();
    else if (ending === "half-close") void this.#transport.closeWrite().catch(() => {});
    else if (ending === "reset") (this.#transport as ResettableConn).reset();
    return conn.finished;
  }

  #check(ending: Plan["ending"], { code, reason, wasClean }: CloseInfo): void {
    const seen = `${code} "${reason}" ${wasClean}`;
    const { count } = this.#sent;
    const due = isAbrupt(ending) ? `1006 "" false` : `${this.#plan.code} "${count}" true`;
    if (seen !== due) throw new Error(`After ${ending}: got ${seen}, due is ${due}`);
    if (ending === "server-close" && this.#echoes.count !== count) {
      throw new Error(`After ${ending}: got ${this.#echoes.count} echoes, due are ${count}`);
    }
  }
}

/** One place: a connection after the other. */
async function occupy(): Promise<void> {
  while (!stopping && tally.failed < 100) {
    const id = next++;
    try {
      const life = await Life.begin(id);
      tally.open++;
      await life.live().finally(() => tally.open--);
    } catch (error) {
      const { ending } = planOf(seed, id);
      tally.fail(new Error(`Connection ${id}, to end with ${ending}`, { cause: error }));
    }
  }
}

function report(): void {
  const line: Report = { ...sample(), tally };
  console.log(JSON.stringify(line));
}

const reporting = setInterval(report, Math.max(250, seconds * 1000 / 150));
const timer = setTimeout(stop, seconds * 1000);
const places: Promise<void>[] = [];
while (places.length < connections && !stopping) {
  for (let i = 0; i < 50 && places.length < connections; i++) places.push(occupy());
  await pause(20);
}
await Promise.all(places);
clearTimeout(timer);
clearInterval(reporting);
report();
