import type { WsMessage } from "./framing/mod.ts";

/** Unread messages up to which a connection reads ahead, and unwritten bytes up to which a send does not wait. */
export const HIGH_WATER: number = 64 * 1024;
/** What a message weighs in a queue besides its content, so that empty ones cannot pile up without end. */
export const MESSAGE_WEIGHT = 32;

/** How the messages of a connection wait. */
export const MESSAGE_QUEUE: QueuingStrategy<WsMessage> = {
  highWaterMark: HIGH_WATER,
  size: ({ length }) => length + MESSAGE_WEIGHT,
};

/** First in, first out. (`shift` of an array takes several times as long.) */
export class Fifo<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  /** What comes out next, or `undefined` if there is nothing. */
  get first(): T | undefined {
    return this.#first?.item;
  }

  push(item: T): void {
    const link = { item, next: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
  }

  /** Takes out the first. */
  drop(): void {
    const link = this.#first;
    this.#first = link?.next;
    if (this.#first === undefined) this.#last = undefined;
    else link!.next = undefined; // or one that has grown old would keep all that came after it
  }
}

interface Link<T> {
  readonly item: T;
  next: Link<T> | undefined;
}
