import type { MessageDeflate } from "./framing/deflate.ts";
import {
  type FramingMode,
  framingMode,
  HixieProtocol,
  type Protocol,
  type ProtocolEvents,
  Rfc6455Protocol,
  type Role,
  type Version,
} from "./framing/mod.ts";
import {
  type CompressionOptions,
  type DeflateParameters,
  type DeflateSettings,
  deflateSettings,
} from "./handshake/deflate.ts";

/** How a connection behaves once it is open: options that the client and the server share. */
export interface WsConnOptions {
  /** How long `close` waits for the peer to answer, in seconds. Default: 10. */
  closeTimeout?: number | undefined;
  /** The longest message that is taken, in bytes; a longer one is refused with 1009 by whoever receives. Default: 16 MiB. */
  maxMessageSize?: number | undefined;
  /** A connection on which nothing at all has arrived for that long, in seconds, is closed; 0 never. Default: 3600. */
  timeout?: number | undefined;
  /** After how long without anything from the peer a Ping is sent, in seconds; 0: none. The drafts have none. Default: 30. */
  pingInterval?: number | undefined;
  /** How long the peer may then take to answer, in seconds, before the connection is closed with 1011; 0: for ever. Default: 30. */
  pingTimeout?: number | undefined;
  /**
   * What a lost connection, one that ends without a Close, is to whoever receives: an error, so that `recv` throws a
   * `WsConnectionLost` ("throw"), or the end like any other, so that `recv` gives `null` ("end"), and only
   * `finished` tells, with 1006. A message of `recvStream` that is cut off is an error in any case. Default: "throw";
   * in `wsReconnect`, which is told of the loss itself: "end".
   */
  whenLost?: "throw" | "end" | undefined;
  /** How the drafts before RFC 6455 frame messages. Default: {@linkcode framingMode}. */
  framing?: FramingMode | undefined;
  /**
   * Whether, and how, messages are compressed if the peer can do it too
   * ({@link https://www.rfc-editor.org/rfc/rfc7692 | RFC 7692}, permessage-deflate). Default: false.
   */
  compression?: boolean | CompressionOptions | undefined;
}

/** {@linkcode WsConnOptions}, checked, with the defaults filled in. */
export interface ConnLimits {
  /** In seconds. */
  readonly closeTimeout: number;
  /** In bytes. */
  readonly maxMessageSize: number;
  /** In seconds, 0 for never. */
  readonly timeout: number;
  /** In seconds, 0 for none. */
  readonly pingInterval: number;
  /** In seconds, 0 for never. */
  readonly pingTimeout: number;
  /** What a loss is to whoever receives: an error, or the end. */
  readonly whenLost: "throw" | "end";
  /** Read when a connection of a draft is made, if it is not set. */
  readonly framing: FramingMode | undefined;
  /** What to offer or accept; `undefined` for no compression. */
  readonly compression: DeflateSettings | undefined;
}

/** Checks the options of a connection; throws a `RangeError` that names the one that is wrong. */
export function connLimits(options: WsConnOptions): ConnLimits {
  const { framing, whenLost = "throw" } = options;
  if (framing !== undefined && framing !== "old" && framing !== "new") {
    throw new TypeError(
      `framing must be "old" or "new": current value is ${JSON.stringify(framing)}`,
    );
  }
  if (whenLost !== "throw" && whenLost !== "end") {
    throw new TypeError(
      `whenLost must be "throw" or "end": current value is ${JSON.stringify(whenLost)}`,
    );
  }
  return {
    closeTimeout: seconds("closeTimeout", options.closeTimeout, 10),
    maxMessageSize: messageSize(options.maxMessageSize, 16 * 1024 * 1024),
    timeout: seconds("timeout", options.timeout, 3600),
    pingInterval: seconds("pingInterval", options.pingInterval, 30),
    pingTimeout: seconds("pingTimeout", options.pingTimeout, 30),
    whenLost,
    framing,
    compression: deflateSettings(options.compression),
  };
}

/** The compression of a new connection, for what was agreed on. */
export async function makeDeflate(
  role: Role,
  agreed: DeflateParameters,
  settings: DeflateSettings | undefined,
): Promise<MessageDeflate> {
  const { MessageDeflate } = await import("./framing/deflate.ts"); // nobody else loads zlib
  const server = {
    windowBits: agreed.serverMaxWindowBits,
    noContextTakeover: agreed.serverNoContextTakeover,
  };
  const client = {
    windowBits: agreed.clientMaxWindowBits,
    noContextTakeover: agreed.clientNoContextTakeover,
  };
  const [outgoing, incoming] = role === "server" ? [server, client] : [client, server];
  return new MessageDeflate({ ...settings, outgoing, incoming, pause: afterOthers });
}

/**
 * Calls `goOn` when the other connections have had their turn; returns how to call that off. It takes a timer: as long as
 * `setImmediate` keeps Deno's event loop from waiting, it looks for I/O in every 61st turn only.
 */
export function afterOthers(goOn: () => void): () => void {
  const timer = setTimeout(goOn, 0);
  return () => clearTimeout(timer);
}

/** The protocol of a new connection. */
export function makeProtocol(
  version: Version,
  role: Role,
  events: ProtocolEvents,
  limits: ConnLimits,
  deflate?: MessageDeflate,
): Protocol {
  return version === "rfc6455"
    ? new Rfc6455Protocol(role, events, limits, deflate)
    : new HixieProtocol(version, limits.framing ?? framingMode(), events, limits);
}

/** Checks an option `maxMessageSize`. */
export function messageSize(value: number | undefined, standard: number): number {
  return size("maxMessageSize", value, standard);
}

/** Checks an option that is a number of bytes. */
export function size(name: string, value: number | undefined, standard: number): number {
  if (value === undefined) return standard;
  if (!(value >= 0)) {
    throw new RangeError(`${name} must be a number of bytes: current value is ${value}`);
  }
  return value;
}

/** The longest time that a timer of the runtime can wait. */
const MAX_SECONDS = 2147483;

/** Checks an option that is a time in seconds; longer than a timer can wait is as long as it can. */
export function seconds(name: string, value: number | undefined, standard: number): number {
  if (value === undefined) return standard;
  if (!(value >= 0)) {
    throw new RangeError(`${name} must be a number of seconds: current value is ${value}`);
  }
  return Math.min(value, MAX_SECONDS);
}
