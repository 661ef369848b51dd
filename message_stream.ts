import { WsConnectionLost } from "./errors.ts";
import type { MessageSink, WsMessageType } from "./framing/mod.ts";
import { HIGH_WATER } from "./queue.ts";

/** What a piece weighs in the queue besides its bytes, so that pieces of a byte cannot pile up. */
const PIECE_WEIGHT = 256;

/**
 * A message that is read while it arrives, from `conn.recvStream()`: its bytes in the pieces in which they come, before the
 * frame or the message is complete. Those of a text are checked to be UTF-8 up to where they are delivered.
 *
 * It errors with a `WsProtocolError` if the peer breaks the protocol, and with a `WsConnectionLost` if the connection ends
 * within the message; what was not read by then is dropped. Cancelling it discards the rest of the message as it arrives;
 * the next can then be received.
 *
 * @example Collect one with `@std/streams`
 * ```ts
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { toText } from "@std/streams/to-text";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe((conn) => conn.send("a message"), { hostname: "127.0.0.1", port: 0 });
 * await using conn = await wsConnect(server.url);
 * const message = await conn.recvStream();
 * assertEquals(message?.type, "text");
 * assertEquals(await toText(message!), "a message");
 * ```
 */
export class WsMessageStream extends ReadableStream<Uint8Array> {
  /** Whether it is text, in UTF-8, or binary ({@link https://www.rfc-editor.org/rfc/rfc6455#section-5.6 | RFC 6455 §5.6}). */
  readonly type: WsMessageType;

  /**
   * Use `conn.recvStream()`.
   *
   * @param type Whether it is text or binary.
   * @param source What it reads from.
   */
  constructor(type: WsMessageType, source: UnderlyingDefaultSource<Uint8Array>) {
    super(source, { highWaterMark: HIGH_WATER, size: (bytes) => bytes.length + PIECE_WEIGHT });
    this.type = type;
  }
}

/** A stream of a message that has arrived whole. */
export function streamOf(type: WsMessageType, bytes: Uint8Array): WsMessageStream {
  return new WsMessageStream(type, {
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}

/** What an {@linkcode IncomingMessage} tells the connection. */
export interface IncomingMessageEvents {
  /** Its reader wants more. */
  readOn(): void;
  /** It is complete. */
  ended(): void;
}

/** The message that a `recvStream` waits for, or has been given and that is not complete yet. */
export class IncomingMessage implements MessageSink {
  readonly maxMessageSize: number;
  readonly #events: IncomingMessageEvents;
  readonly #begun = Promise.withResolvers<WsMessageStream | undefined>();
  readonly #over = Promise.withResolvers<void>();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #cancelled = false;

  /**
   * @param maxMessageSize The longest message that is taken.
   * @param events Are told what becomes of it.
   */
  constructor(maxMessageSize: number, events: IncomingMessageEvents) {
    this.maxMessageSize = maxMessageSize;
    this.#events = events;
  }

  /** The stream, once the message has begun; `undefined` if the connection ends before. */
  get begun(): Promise<WsMessageStream | undefined> {
    return this.#begun.promise;
  }

  /** Settles once the message has ended, or the connection. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Whether its reader wants more; one that has cancelled it wants it over. */
  get wantsMore(): boolean {
    return this.#cancelled || this.#controller === undefined || this.#controller.desiredSize! > 0;
  }

  begin(type: WsMessageType): void {
    this.#begun.resolve(
      new WsMessageStream(type, {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: this.#events.readOn,
        cancel: () => {
          this.#cancelled = true;
          this.#events.readOn();
        },
      }),
    );
  }

  push(bytes: Uint8Array): boolean {
    if (!this.#cancelled) this.#controller?.enqueue(bytes.slice());
    return this.wantsMore;
  }

  end(): void {
    if (!this.#cancelled) this.#controller?.close();
    this.#controller = undefined;
    this.#events.ended();
    this.#over.resolve();
  }

  /** The connection has ended, with `failure` if it was not closed. */
  fail(failure: Error | undefined): void {
    this.#begun.resolve(undefined); // does nothing if it has begun
    if (!this.#cancelled) {
      this.#controller?.error(
        failure ?? new WsConnectionLost("The connection was closed within the message"),
      );
    }
    this.#controller = undefined;
    this.#cancelled = true; // what still comes, while a Close waits for its turn, is discarded
    this.#over.resolve();
  }
}
