import { broadcast, type BroadcastResult, type SlowConsumers, slowConsumers } from "./broadcast.ts";
import { onClosed, type WsConn } from "./conn.ts";
import { report } from "./errors.ts";
import type { WsMessage } from "./framing/mod.ts";

/**
 * Carries what one {@linkcode Hub} publishes to the hubs of other processes, and never back to itself. A bus belongs to one
 * hub, which asks it for one thing at a time about a topic, and disposes of it; that ends all that it has subscribed to.
 */
export interface Bus extends AsyncDisposable {
  /** Gives a message to all other hubs that have subscribed to the topic; those of one hub in their order. */
  publish(topic: string, message: WsMessage): Promise<void>;
  /** Calls `deliver` with what other hubs publish to the topic from now on; at most one per topic. */
  subscribe(topic: string, deliver: (message: WsMessage) => void): Promise<void>;
  /** Delivers no more of the topic. */
  unsubscribe(topic: string): Promise<void>;
}

/** What a {@linkcode Hub} can be told. */
export interface HubOptions extends SlowConsumers {
  /** Carries messages between this hub and those of other processes; the hub disposes of it. Default: none. */
  bus?: Bus | undefined;
  /** Is told what the bus fails with; the hub goes on. Default: `console.error`. */
  onError?: ((error: unknown) => void) | undefined;
}

/** What a {@linkcode Hub} knows of one of its connections. */
interface Member {
  readonly topics: Set<string>;
  /** The hub need not be told any more when it closes. */
  readonly stopWatching: () => void;
}

/**
 * Topics, and the connections that have subscribed to them: what is published to a topic is broadcast to its subscribers. A
 * connection that closes is forgotten at once. A topic is any string, and there is nothing of it without subscribers.
 *
 * Disposing of the hub forgets all subscriptions, and disposes of the bus; the connections stay open. After that, nobody
 * is subscribed any more. Needs no permission.
 *
 * @example Rooms: the path says which
 * ```ts
 * import { Hub, wsConnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * await using hub = new Hub();
 * await using server = wsServe(async (conn) => {
 *   const room = conn.url.pathname;
 *   hub.subscribe(conn, room);
 *   for await (const message of conn) hub.publish(room, message, { except: conn });
 * }, { hostname: "127.0.0.1", port: 0 });
 *
 * await using ann = await wsConnect(new URL("/kitchen", server.url));
 * await using bob = await wsConnect(new URL("/kitchen", server.url));
 * await bob.ping(); // by now he has subscribed
 * await ann.send("Dinner is ready");
 * assertEquals(await bob.recv(), "Dinner is ready");
 * assertEquals(hub.subscribers("/kitchen"), 2);
 * ```
 */
export class Hub implements AsyncDisposable {
  readonly #topics = new Map<string, Set<WsConn>>();
  readonly #members = new Map<WsConn, Member>();
  readonly #slow: SlowConsumers;
  readonly #bus: BusLine | undefined;
  #isDisposed = false;

  /**
   * Makes a hub without topics.
   *
   * @param options Which connections are too slow and what becomes of them; the bus, and who is told of its errors.
   * @throws {RangeError} If `maxBuffered` is no number of bytes.
   * @throws {TypeError} If `slow` is neither "skip" nor "close".
   */
  constructor(options: HubOptions = {}) {
    this.#slow = slowConsumers(options);
    const { bus, onError = console.error } = options;
    if (bus === undefined) return;
    this.#bus = new BusLine(bus, {
      isWanted: (topic) => this.#topics.has(topic),
      deliver: (topic, message) => void this.#deliver(topic, message),
      onError,
    });
  }

  /** The topics that have subscribers. */
  get topics(): Iterable<string> {
    return this.#topics.keys();
  }

  /**
   * How many connections have subscribed to a topic; those of other processes are not counted.
   *
   * @param topic The topic.
   * @returns Their number.
   */
  subscribers(topic: string): number {
    return this.#topics.get(topic)?.size ?? 0;
  }

  /**
   * Subscribes a connection to a topic, until it is unsubscribed or closed. Does nothing if it has subscribed already, or
   * is closed.
   *
   * @param conn The connection.
   * @param topic The topic.
   */
  subscribe(conn: WsConn, topic: string): void {
    if (conn.closed || this.#isDisposed) return;
    let member = this.#members.get(conn);
    if (member === undefined) {
      const stopWatching = onClosed(conn, () => this.unsubscribe(conn));
      this.#members.set(conn, member = { topics: new Set(), stopWatching });
    }
    member.topics.add(topic);
    let conns = this.#topics.get(topic);
    if (conns === undefined) this.#topics.set(topic, conns = new Set());
    conns.add(conn);
    void this.#bus?.follow(topic);
  }

  /**
   * Ends a subscription of a connection, or all of them.
   *
   * @param conn The connection.
   * @param topic The topic. Default: all.
   */
  unsubscribe(conn: WsConn, topic?: string): void {
    const member = this.#members.get(conn);
    if (member === undefined) return;
    for (const left of topic === undefined ? member.topics : [topic]) {
      if (member.topics.delete(left)) this.#leave(conn, left);
    }
    if (member.topics.size > 0) return;
    member.stopWatching();
    this.#members.delete(conn);
  }

  /**
   * Sends a message to all subscribers of a topic, as {@linkcode broadcast} does: to those of this hub before it returns,
   * and to those of other hubs over the bus.
   *
   * @param topic The topic.
   * @param message The message.
   * @param options `except`: a connection that does not get it, though it has subscribed.
   * @returns How many connections of this hub got it, and how many did not.
   * @throws {TypeError} If the message is neither a string nor a `Uint8Array`.
   */
  publish(topic: string, message: WsMessage, options: { except?: WsConn } = {}): BroadcastResult {
    const result = this.#deliver(topic, message, options.except);
    this.#bus?.publish(topic, message);
    return result;
  }

  /** Forgets all subscriptions, and disposes of the bus. The connections stay open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    const disposing = this.#bus?.dispose();
    for (const conn of this.#members.keys()) this.unsubscribe(conn);
    await disposing;
  }

  #leave(conn: WsConn, topic: string): void {
    const conns = this.#topics.get(topic)!;
    conns.delete(conn);
    if (conns.size > 0) return;
    this.#topics.delete(topic);
    void this.#bus?.follow(topic);
  }

  #deliver(topic: string, message: WsMessage, except?: WsConn): BroadcastResult {
    const conns = this.#topics.get(topic) ?? [];
    return broadcast(conns, message, { ...this.#slow, except });
  }
}

/** What a {@linkcode BusLine} asks and tells the hub that it belongs to. */
interface BusLineEvents {
  /** Whether the topic has subscribers. */
  isWanted(topic: string): boolean;
  /** Another hub has published this. */
  deliver(topic: string, message: WsMessage): void;
  /** The user's. */
  readonly onError: (error: unknown) => void;
}

/** What a hub has to do with its bus: whatever it fails with is reported, and goes no further. */
class BusLine {
  readonly #bus: Bus;
  readonly #events: BusLineEvents;
  /** The topics that the bus is subscribed to; and those that it is being asked to subscribe to or unsubscribe from. */
  readonly #subscribed = new Set<string>();
  readonly #asked = new Set<string>();
  #disposed: Promise<unknown> | undefined;

  constructor(bus: Bus, events: BusLineEvents) {
    this.#bus = bus;
    this.#events = events;
  }

  publish(topic: string, message: WsMessage): void {
    if (this.#disposed !== undefined) return;
    // the caller's bytes may change; and slice() of a Buffer does not copy
    const kept = typeof message === "string" ? message : new Uint8Array(message);
    void this.#attempt(() => this.#bus.publish(topic, kept));
  }

  /**
   * A topic may have got its first subscriber, or lost its last, and the bus is to follow: one step after the other, and the
   * next one only if it is still to be taken. After a failure the next subscriber makes it try again.
   */
  async follow(topic: string): Promise<void> {
    if (this.#asked.has(topic)) return; // when that is done, it is looked at what is wanted then
    this.#asked.add(topic);
    while (this.#isBehind(topic)) {
      if (this.#subscribed.delete(topic)) {
        await this.#attempt(() => this.#bus.unsubscribe(topic));
      } else if (await this.#attempt(() => this.#subscribe(topic))) this.#subscribed.add(topic);
      else break;
    }
    this.#asked.delete(topic);
  }

  #isBehind(topic: string): boolean {
    return this.#disposed === undefined &&
      this.#events.isWanted(topic) !== this.#subscribed.has(topic);
  }

  #subscribe(topic: string): Promise<void> {
    return this.#bus.subscribe(topic, (message) => {
      try {
        this.#events.deliver(topic, message);
      } catch (error) {
        // what other processes send is no reason to throw into the bus
        report(this.#events.onError, error);
      }
    });
  }

  async dispose(): Promise<void> {
    await (this.#disposed ??= this.#attempt(() => this.#bus[Symbol.asyncDispose]()));
  }

  async #attempt(act: () => PromiseLike<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      report(this.#events.onError, error);
      return false;
    }
  }
}
