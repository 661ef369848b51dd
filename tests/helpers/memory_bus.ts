import type { Bus, WsMessage } from "../../mod.ts";

/** What several hubs of one process are connected by, as a server connects those of several processes. */
export class MemoryExchange {
  readonly #buses = new Set<MemoryBus>();

  /** A bus for one more hub. */
  connect(): MemoryBus {
    const bus = new MemoryBus((message) => {
      for (const other of this.#buses) if (other !== bus) other.receive(...message);
    });
    this.#buses.add(bus);
    return bus;
  }
}

/** A bus that notes what is asked of it, and whose answers a test can hold back or make fail. */
export class MemoryBus implements Bus {
  /** What it was asked for, such as "subscribe news". */
  readonly log: string[] = [];
  /** What is asked for waits for this. */
  ready: Promise<unknown> = Promise.resolve();
  readonly #topics = new Map<string, (message: WsMessage) => void>();
  readonly #send: (message: [topic: string, message: WsMessage]) => void;

  /** Use {@linkcode MemoryExchange.connect}. */
  constructor(send: (message: [topic: string, message: WsMessage]) => void) {
    this.#send = send;
  }

  receive(topic: string, message: WsMessage): void {
    this.#topics.get(topic)?.(message);
  }

  async publish(topic: string, message: WsMessage): Promise<void> {
    await this.#note(`publish ${topic}`);
    this.#send([topic, message]);
  }

  async subscribe(topic: string, deliver: (message: WsMessage) => void): Promise<void> {
    await this.#note(`subscribe ${topic}`);
    if (this.#topics.has(topic)) throw new Error(`${topic} has been subscribed to already`);
    this.#topics.set(topic, deliver);
  }

  async unsubscribe(topic: string): Promise<void> {
    await this.#note(`unsubscribe ${topic}`);
    if (!this.#topics.delete(topic)) throw new Error(`${topic} has not been subscribed to`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#note("dispose");
    this.#topics.clear();
  }

  async #note(what: string): Promise<void> {
    this.log.push(what);
    await this.ready;
  }
}
