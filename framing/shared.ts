import type { WsMessage } from "./message.ts";
import { encodeUtf8 } from "./utf8.ts";

/**
 * A message for many connections: each frame that they need of it is made once, and shared by all that take the same
 * bytes.
 *
 * @example Two servers' sides that send the very same bytes
 * ```ts
 * import { Rfc6455Protocol, SharedMessage } from "@wsconn/ws/framing";
 * import { assertStrictEquals } from "@std/assert";
 *
 * const events = { message: () => {}, pong: () => {} };
 * const make = () => new Rfc6455Protocol("server", events, { maxMessageSize: 1024 });
 * const message = new SharedMessage("Hello");
 * assertStrictEquals(make().share(message), make().share(message));
 * ```
 */
export class SharedMessage {
  /** The message; its bytes are those of whoever gave it. */
  readonly message: WsMessage;
  readonly #frames = new Map<string, Uint8Array | Promise<Uint8Array>>();
  #payload: Uint8Array | undefined;
  #kept: WsMessage | undefined;

  /**
   * Makes nothing of the message yet.
   *
   * @param message The message.
   */
  constructor(message: WsMessage) {
    this.message = message;
  }

  /** Whether it is text. */
  get isText(): boolean {
    return typeof this.message === "string";
  }

  /** Its length: bytes, and of text UTF-16 code units. */
  get length(): number {
    return this.message.length;
  }

  /** Its bytes: of text, its UTF-8. */
  get payload(): Uint8Array {
    return this.#payload ??= typeof this.message === "string"
      ? encodeUtf8(this.message)
      : this.message;
  }

  /** The same for who needs it later, when the bytes that were given may have changed: a copy of them, one for all. */
  get kept(): WsMessage {
    const { message } = this; // not message.slice(): that of a Buffer does not copy
    return this.#kept ??= typeof message === "string" ? message : new Uint8Array(message);
  }

  /**
   * The frame of one kind, made at the first call.
   *
   * @param kind What tells the frames of this message apart.
   * @param make Makes it.
   * @returns What `make` has returned.
   */
  frame<T extends Uint8Array | Promise<Uint8Array>>(kind: string, make: () => T): T {
    let frame = this.#frames.get(kind);
    if (frame === undefined) this.#frames.set(kind, frame = make());
    return frame as T;
  }
}
