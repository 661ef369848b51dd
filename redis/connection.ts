import { setTimeout as delay } from "node:timers/promises";
// The protocol of Redis (RESP), TLS and authentication, by those who make Redis.
import { createClient, type RedisClientOptions } from "npm:redis@6.3.1";

/** A client of the server, for the life of one connection. */
export type RedisClient = ReturnType<typeof createClient>;

/** What a {@linkcode Connection} is told. */
export interface ConnectionSettings {
  readonly client: RedisClientOptions;
  /** How long the server may take to answer, in seconds. */
  readonly serverTimeout: number;
  /** After how long the server is sent a PING, in seconds; 0: never. */
  readonly pingInterval: number;
}

/** Whom a {@linkcode Connection} tells. */
export interface ConnectionEvents {
  /** There is a new connection, on which nothing is subscribed to yet. */
  ready(client: RedisClient): void;
  /** The connection was lost, or could not be made; it is tried again. */
  error(error: unknown): void;
}

/** How long to wait at most before the first, and before any other attempt to connect again, in ms. */
const FIRST_DELAY = 100, LONGEST_DELAY = 5000;

/**
 * A connection to the server that is made anew whenever it is lost. The client could do so by itself; but then a
 * subscription is forgotten if the connection is lost before the server has confirmed it, a connection that has fallen silent is
 * never noticed, and its timers outlive it. So a client lives as long as its connection, and this class makes the next one.
 */
export class Connection {
  readonly #settings: ConnectionSettings;
  readonly #events: ConnectionEvents;
  readonly #closing = new AbortController();
  #session: Session | undefined;
  #running = Promise.resolve();

  private constructor(settings: ConnectionSettings, events: ConnectionEvents) {
    this.#settings = settings;
    this.#events = events;
  }

  /** Connects; throws if that fails the first time. */
  static async open(settings: ConnectionSettings, events: ConnectionEvents): Promise<Connection> {
    const connection = new Connection(settings, events);
    const session = await connection.#connect();
    connection.#running = connection.#run(session);
    return connection;
  }

  /** The client, while there is a connection. */
  get client(): RedisClient | undefined {
    return this.#session?.client;
  }

  /** Waits for the answers to what was asked, no longer than the server may take, and ends the connection for good. */
  async close(): Promise<void> {
    if (this.#session !== undefined) {
      const { client, lost } = this.#session;
      const drained = Promise.race([client.close(), lost.promise]);
      await within(this.#settings.serverTimeout, drained).catch(() => {});
    }
    this.#closing.abort();
    await this.#running;
  }

  /** The life of one connection after the other. */
  async #run(session: Session | undefined): Promise<void> {
    while (session !== undefined) {
      this.#session = session;
      this.#events.ready(session.client);
      this.#ping(session);
      const error = await session.lost.promise;
      this.#session = undefined;
      session = await this.#reconnect(error);
    }
  }

  async #reconnect(error: unknown): Promise<Session | undefined> {
    const { signal } = this.#closing;
    for (let longest = FIRST_DELAY; !signal.aborted; longest *= 2) {
      this.#events.error(error);
      try {
        // at random, so that those who have lost a server together do not come back together
        const wait = Math.min(longest, LONGEST_DELAY) * (0.5 + Math.random() / 2);
        await delay(wait, undefined, { signal });
        return await this.#connect();
      } catch (failure) {
        error = failure;
      }
    }
    return undefined;
  }

  async #connect(): Promise<Session> {
    const { client: options, serverTimeout } = this.#settings;
    const ending = new AbortController();
    const client = createClient({
      ...options,
      disableOfflineQueue: true, // what cannot be sent now is refused
      disableClientInfo: true, // would need one more right
      maintNotifications: "disabled", // would read the environment, which needs a permission
      commandOptions: { timeout: 0 }, // no timer for every command
      socket: {
        ...options.socket,
        reconnectStrategy: false,
        signal: ending.signal, // the client's destroy() does not reach a socket that is still connecting
      } as NonNullable<RedisClientOptions["socket"]>,
    });
    const lost = Promise.withResolvers<unknown>();
    client.on("error", lost.resolve);
    const onClosing = () => lost.resolve(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", onClosing);
    void lost.promise.then(() => {
      this.#closing.signal.removeEventListener("abort", onClosing);
      client.destroy();
      ending.abort();
    });
    try {
      await within(serverTimeout, client.connect());
      return { client, lost };
    } catch (error) {
      lost.resolve(error);
      throw error;
    }
  }

  /** Asks the server from time to time whether it is still there. */
  #ping({ client, lost }: Session): void {
    const { pingInterval, serverTimeout } = this.#settings;
    if (pingInterval === 0) return;
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => {
      if (this.client === client) timer = setTimeout(ask, pingInterval * 1000);
    };
    const ask = () => void within(serverTimeout, client.ping()).then(wait, lost.resolve);
    wait();
    void lost.promise.then(() => clearTimeout(timer));
  }
}

/** One connection; `lost` is resolved with the reason. */
interface Session {
  readonly client: RedisClient;
  readonly lost: PromiseWithResolvers<unknown>;
}

/** What `promise` gives, unless it takes longer. */
async function within<T>(seconds: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const error = new Error(`The server did not answer within ${seconds} s`);
  const timer = setTimeout(() => reject(error), seconds * 1000);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
