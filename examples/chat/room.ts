/** Who is there, and what was said last. */
import { broadcast, type WsConn } from "jsr:@wsconn/ws@^0.1";
import { type ChatEvent, Refusal, type Said } from "./messages.ts";

/** How much of what was said is kept for those who come later, or come back. */
const MAX_HISTORY = 100;
/** How many bytes may wait for somebody who reads too slowly. */
const MAX_BUFFERED = 1 << 20;
/** The code that tells a page that it has been replaced, and so should not come back by itself. */
const REPLACED = 4000;

/** Somebody who is there. */
export interface Member {
  readonly name: string;
  readonly key: string;
  readonly conn: WsConn;
}

export class Room {
  readonly #members = new Map<string, Member>();
  #history: Said[] = [];

  /** Lets somebody in, who is sent a welcome; the others are told. Throws a {@linkcode Refusal} if the name is taken. */
  enter(member: Member): void {
    const { name, key, conn } = member;
    const before = this.#members.get(sameName(name));
    if (before !== undefined && before.key !== key) {
      throw new Refusal("name_taken", `Somebody here is called ${before.name} already`);
    }
    this.#members.set(sameName(name), member);
    const people = Array.from(this.#members.values(), ({ name }) => name);
    tell([conn], { type: "welcome", name, people, history: this.#history });
    if (before === undefined) this.#tellOthers(member, "joined");
    else void before.conn.close(REPLACED, "Here again on another connection");
  }

  /** Somebody has gone. Nobody is told if it was a connection that a newer one has replaced. */
  leave(member: Member): void {
    if (this.#members.get(sameName(member.name)) !== member) return;
    this.#members.delete(sameName(member.name));
    this.#tellOthers(member, "left");
  }

  /** Tells everybody what somebody says, the one who says it too: to the page that means that it has arrived. */
  say({ name, conn }: Member, id: string, text: string): void {
    const before = this.#history.find((said) => said.id === id);
    if (before !== undefined) return tell([conn], before); // the page has come back before it knew
    const said: Said = { type: "said", id, name, text, time: Date.now() };
    this.#history = [...this.#history, said].slice(-MAX_HISTORY);
    tell(this.#conns(), said);
  }

  #tellOthers({ name, conn }: Member, type: "joined" | "left"): void {
    tell(this.#conns().filter((other) => other !== conn), { type, name, time: Date.now() });
  }

  #conns(): WsConn[] {
    return Array.from(this.#members.values(), ({ conn }) => conn);
  }
}

/** Names that differ only in case would be taken for each other. */
function sameName(name: string): string {
  return name.toLowerCase();
}

/**
 * Sends to many, and waits for nobody: one who reads too slowly holds up no other, and takes no more than
 * `MAX_BUFFERED`. That connection is closed; the page comes back, and finds in the history what it has missed.
 */
function tell(conns: Iterable<WsConn>, event: ChatEvent): void {
  broadcast(conns, JSON.stringify(event), { maxBuffered: MAX_BUFFERED, slow: "close" });
}
