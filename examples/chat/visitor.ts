/** One page that is open: takes what it sends, and answers what cannot be done. */
import type { WsConn, WsMessage } from "jsr:@wsconn/ws@^0.1";
import { Allowance } from "./allowance.ts";
import { type ChatEvent, type ChatRequest, parseRequest, Refusal } from "./messages.ts";
import type { Member, Room } from "./room.ts";

/** How many messages a page may send at once, and how many a second on the long run. */
const BURST = 20;
const RATE = 2;
/** After how many that were too many it is left. */
const MAX_DEBT = 50;

/** The handler of a connection, from its opening to its end. */
export async function visit(conn: WsConn, room: Room): Promise<void> {
  const visitor = new Visitor(conn, room);
  try {
    for await (const message of conn) await visitor.take(message);
  } finally {
    visitor.leave();
  }
}

class Visitor {
  readonly #conn: WsConn;
  readonly #room: Room;
  readonly #allowance = new Allowance(BURST, RATE);
  /** Once it has said hello. */
  #member: Member | undefined;

  constructor(conn: WsConn, room: Room) {
    this.#conn = conn;
    this.#room = room;
  }

  async take(message: WsMessage): Promise<void> {
    const left = this.#allowance.take();
    if (left < -MAX_DEBT) return void await this.#conn.close(1008, "Far too many messages");
    try {
      const request = parseRequest(message);
      if (left < 0) {
        const more = { ...idOf(request), retryAfter: this.#allowance.wait };
        throw new Refusal("too_fast", "Too many messages at once", more);
      }
      if (request.type === "ping") await this.#answer({ type: "pong" });
      else if (request.type === "hello") this.#enter(request);
      else if (this.#member !== undefined) this.#room.say(this.#member, request.id, request.text);
      else throw new Refusal("not_in", "Say hello first", { id: request.id });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await this.#answer(error.event());
    }
  }

  leave(): void {
    if (this.#member !== undefined) this.#room.leave(this.#member);
  }

  #enter({ name, key }: { name: string; key: string }): void {
    if (this.#member !== undefined) {
      throw new Refusal("name", `You are here as ${this.#member.name} already`);
    }
    const member = { name, key, conn: this.#conn };
    this.#room.enter(member);
    this.#member = member;
  }

  /** Waits as long as the page reads too slowly, and takes nothing from it meanwhile. */
  async #answer(event: ChatEvent): Promise<void> {
    await this.#conn.send(JSON.stringify(event));
  }
}

function idOf(request: ChatRequest): { id?: string } {
  return request.type === "say" ? { id: request.id } : {};
}
