/**
 * Topics that span processes and machines: a {@linkcode Bus} over the pub/sub of Redis, or of Valkey, which speaks the same
 * protocol. Nothing else in this package loads it, or the npm package `redis` on which it stands.
 *
 * Needs `--allow-net` for the server, and nothing else; for a Unix socket also `--allow-read` and `--allow-write` for its path.
 *
 * @example Several processes that share their topics
 * ```ts
 * import { Hub, type WsServer, wsServe } from "@wsconn/ws";
 * import { redisBus } from "@wsconn/ws/redis";
 *
 * async function serve(port: number): Promise<WsServer> {
 *   const hub = new Hub({ bus: await redisBus({ url: "redis://localhost:6379", prefix: "shop:" }) });
 *   return wsServe(async (conn) => {
 *     hub.subscribe(conn, "prices");
 *     for await (const message of conn) hub.publish("prices", message);
 *   }, { port });
 * }
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ErrorReply, type RedisClientOptions } from "npm:redis@6.3.1";
import { report } from "./errors.ts";
import type { WsMessage } from "./framing/mod.ts";
import type { Bus } from "./hub.ts";
import { messageSize, seconds, size } from "./options.ts";
import { Connection, type ConnectionSettings, type RedisClient } from "./redis/connection.ts";
import { decodeEnvelope, encodeEnvelope, newOrigin } from "./redis/envelope.ts";

export type { Bus, WsMessage };

/** How {@linkcode redisBus} reaches the server, and what it does there. */
export interface RedisBusOptions {
  /**
   * The server: `redis://user:password@host:port/database`, of which all but the host may be missing; `rediss:` for TLS;
   * or `unix:///path/of/the/socket`. What stands in `user` and `password` is percent-encoded.
   */
  url: string | URL;
  /**
   * What the names of channels begin with; the rest is the topic. Hubs of different prefixes do not see each other, if
   * none is the beginning of another: let it end in something that it does not contain. Default: "ws:".
   */
  prefix?: string | undefined;
  /** Certificates (PEM) to trust, for `rediss:`. */
  caCerts?: string[] | undefined;
  /** The certificate (PEM) to show the server, for `rediss:`; goes with `key`. */
  cert?: string | undefined;
  /** The private key (PEM) of `cert`. */
  key?: string | undefined;
  /** The longest message that is published or delivered, in bytes. Default: 16 MiB. */
  maxMessageSize?: number | undefined;
  /** How much may be published without the server having confirmed it, in bytes; more is refused. Default: 16 MiB. */
  maxBuffered?: number | undefined;
  /** How long the server may take to connect, or to answer, in seconds, before it counts as gone. Default: 10. */
  serverTimeout?: number | undefined;
  /** After how long the server is asked whether it is still there, in seconds; 0: never. Default: 30. */
  pingInterval?: number | undefined;
  /**
   * Is told what nobody else is: that the server is gone, and each attempt to reach it that fails; what arrives on a channel
   * and is no message of a hub; what a subscriber throws. Default: prints it.
   */
  onError?: ((error: unknown) => void) | undefined;
  /**
   * More options for the client of npm `redis` 6, which documents them: `credentialsProvider`, `name`, `RESP: 2` for a server
   * of before Redis 6. How to reconnect, and what to keep meanwhile, remains with the bus.
   */
  client?: object | undefined;
}

/** A {@linkcode Bus} over Redis: what {@linkcode redisBus} gives. */
export interface RedisBus extends Bus {
  /** Whether there is a connection to publish on and one to receive by: for a page that tells how the process is. */
  readonly connected: boolean;
  /** Waits until what was published is confirmed, no longer than `serverTimeout`, and ends both connections for good. */
  close(): Promise<void>;
}

/**
 * Connects to Redis, or to Valkey, for a `Hub`: what one hub publishes reaches all others with the same server and
 * prefix, in the order in which it was published. There are two connections: one publishes, and one receives.
 *
 * Pub/sub delivers at most once. While the server is away, what is published reaches the subscribers of this process only,
 * and `publish` of the bus rejects; nothing is queued. The connections come back by themselves, tried after 0.1 s at first,
 * and later and later, up to every 5 s; and everything is subscribed to again, also what was subscribed to meanwhile.
 *
 * Needs the permission `--allow-net` for the server; for a Unix socket also `--allow-read` and `--allow-write` for its path.
 *
 * @param options Where the server is, and the rest.
 * @returns The bus, once it is connected. Disposing of it ends its connections.
 * @throws {TypeError} If the URL is not one of a server.
 * @throws {RangeError} If an option is no size or time.
 * @throws {Error} If the server cannot be reached, or refuses; `cause` says why. Nothing is tried again then.
 *
 * @example A server that is not there
 * ```ts
 * import { redisBus } from "@wsconn/ws/redis";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(
 *   () => redisBus({ url: "redis://127.0.0.1:1" }),
 *   Error,
 *   "Cannot connect to redis://127.0.0.1:1",
 * );
 * ```
 */
export async function redisBus(options: RedisBusOptions): Promise<RedisBus> {
  const bus = new PubSubBus(options);
  await bus.connect();
  return bus;
}

class PubSubBus implements RedisBus {
  /** The server, as errors name it: without credentials. */
  readonly #server: string;
  readonly #settings: ConnectionSettings;
  readonly #prefix: string;
  readonly #maxMessageSize: number;
  readonly #maxBuffered: number;
  readonly #onError: (error: unknown) => void;
  readonly #origin = newOrigin();
  /** The topics that are subscribed to, and who gets what arrives. */
  readonly #subscriptions = new Map<string, (message: WsMessage) => void>();
  #publisher: Connection | undefined;
  #subscriber: Connection | undefined;
  /** How many bytes are published and not confirmed. */
  #buffered = 0;
  #closing: Promise<void> | undefined;

  constructor(options: RedisBusOptions) {
    const url = serverUrl(options.url);
    this.#server = `${url.protocol}//${url.host}${url.pathname}`;
    this.#settings = connectionSettings(url, options);
    this.#prefix = options.prefix ?? "ws:";
    this.#maxMessageSize = messageSize(options.maxMessageSize, 16 * 1024 * 1024);
    this.#maxBuffered = size("maxBuffered", options.maxBuffered, 16 * 1024 * 1024);
    this.#onError = options.onError ?? console.error;
  }

  get connected(): boolean {
    return this.#publisher?.client !== undefined && this.#subscriber?.client !== undefined;
  }

  async connect(): Promise<void> {
    const error = (cause: unknown) =>
      report(this.#onError, failure(`No connection to ${this.#server}`, cause));
    try {
      this.#publisher = await Connection.open(this.#settings, { ready() {}, error });
      const ready = (client: RedisClient) => this.#resubscribe(client);
      this.#subscriber = await Connection.open(this.#settings, { ready, error });
    } catch (cause) {
      await this.close();
      throw failure(`Cannot connect to ${this.#server}`, cause);
    }
  }

  async publish(topic: string, message: WsMessage): Promise<void> {
    const why = (reason: string) => `Cannot publish to ${JSON.stringify(topic)}: ${reason}`;
    if (this.#closing !== undefined) throw new Error(why("the bus is closed"));
    const channel = this.#channel(topic);
    const envelope = encodeEnvelope(this.#origin, message, this.#maxMessageSize);
    const client = this.#publisher?.client;
    if (client === undefined) throw new Error(why(`there is no connection to ${this.#server}`));
    const { length } = envelope;
    if (this.#buffered > 0 && this.#buffered + length > this.#maxBuffered) {
      const waiting = `${this.#buffered} of ${this.#maxBuffered} bytes wait already`;
      throw new Error(why(`${waiting}, and it has ${length}`));
    }
    this.#buffered += length;
    try {
      await client.publish(channel, Buffer.from(envelope.buffer));
    } catch (cause) {
      throw failure(`Publishing to ${JSON.stringify(topic)} was not confirmed`, cause);
    } finally {
      this.#buffered -= length;
    }
  }

  async subscribe(topic: string, deliver: (message: WsMessage) => void): Promise<void> {
    const why = `Cannot subscribe to ${JSON.stringify(topic)}`;
    if (this.#closing !== undefined) throw new Error(`${why}: the bus is closed`);
    if (this.#subscriptions.has(topic)) throw new Error(`${why}: it is subscribed to already`);
    const channel = this.#channel(topic);
    this.#subscriptions.set(topic, deliver);
    try {
      await this.#ask(this.#subscriber?.client, channel);
    } catch (cause) {
      if (this.#subscriptions.get(topic) === deliver) this.#subscriptions.delete(topic);
      throw failure(why, cause);
    }
  }

  async unsubscribe(topic: string): Promise<void> {
    if (!this.#subscriptions.delete(topic)) return;
    // it fails where the connection is lost, and then there is nothing left to end
    await this.#subscriber?.client?.unsubscribe(this.#channel(topic), this.#onMessage, true)
      .catch(() => {});
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#subscriptions.clear();
    await Promise.all([this.#publisher?.close(), this.#subscriber?.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Asks for what is published on a channel. Throws if the server refuses. If the connection is lost meanwhile, or there is
   * none, the next one will be asked.
   */
  async #ask(client: RedisClient | undefined, channel: string): Promise<void> {
    try {
      await client?.subscribe(channel, this.#onMessage, true);
    } catch (error) {
      if (error instanceof ErrorReply) throw error;
    }
  }

  /** Asks a new connection for all that is subscribed to. */
  #resubscribe(client: RedisClient): void {
    for (const topic of this.#subscriptions.keys()) {
      this.#ask(client, this.#channel(topic)).catch((cause) =>
        report(this.#onError, failure(`Cannot subscribe to ${JSON.stringify(topic)} again`, cause))
      );
    }
  }

  /** One for all channels: the client loses count where each has its own, and comes and goes quickly. */
  readonly #onMessage = (bytes: Buffer, channel: Buffer): void => {
    const topic = channel.toString().slice(this.#prefix.length);
    const deliver = this.#subscriptions.get(topic);
    if (deliver === undefined) return; // unsubscribed from meanwhile
    try {
      const message = decodeEnvelope(bytes, this.#origin, this.#maxMessageSize);
      if (message !== null) deliver(message);
    } catch (cause) {
      const none = cause instanceof SyntaxError;
      report(
        this.#onError,
        none ? failure(`Ignored what came for ${JSON.stringify(topic)}`, cause) : cause,
      );
    }
  };

  #channel(topic: string): string {
    const channel = this.#prefix + topic;
    // two of them would become the same in UTF-8
    if (!channel.isWellFormed()) throw new TypeError("A topic must not have lone surrogates");
    return channel;
  }
}

/** Checks the URL of a server. Its errors do not name it: it may contain a password. */
function serverUrl(given: string | URL): URL {
  if (!URL.canParse(given)) throw new TypeError("Cannot use the url of the server: it is none");
  const url = new URL(given);
  if (!["redis:", "rediss:", "unix:"].includes(url.protocol)) {
    throw new TypeError(`url must be redis:, rediss: or unix:, current value is ${url.protocol}`);
  }
  return url;
}

function connectionSettings(url: URL, options: RedisBusOptions): ConnectionSettings {
  const { caCerts, cert, key } = options;
  const client = options.client as RedisClientOptions | undefined;
  const tls = {
    ...(caCerts === undefined ? {} : { ca: caCerts }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  return {
    client: {
      ...client,
      url: url.href,
      socket: { ...client?.socket, ...tls } as NonNullable<RedisClientOptions["socket"]>,
    },
    serverTimeout: seconds("serverTimeout", options.serverTimeout, 10),
    pingInterval: seconds("pingInterval", options.pingInterval, 30),
  };
}

/** An error with the reason in its message, and as its `cause`. */
function failure(what: string, cause: unknown): Error {
  return new Error(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
}
