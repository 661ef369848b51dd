import type { WsProtocolError } from "./error.ts";
import type { MessageSink, WsMessage, WsMessageType } from "./message.ts";
import type { Output } from "./output.ts";
import type { SharedMessage } from "./shared.ts";

/** Which end of the connection this is: it decides who masks (RFC 6455 §5.1) and who closes TCP first (§7.1.1). */
export type Role = "client" | "server";

/** Which protocol a connection speaks: RFC 6455, or one of the drafts of 2010 that Racket's library spoke. */
export type Version = "rfc6455" | "hixie-76" | "hixie-75";

/**
 * Where a protocol stands: `open`; `closing` once this side has sent its Close and waits for the peer's; `closed`
 * once both have, or the connection was failed: whatever still arrives is ignored.
 */
export type ProtocolState = "open" | "closing" | "closed";

/** What a protocol tells the connection while it decodes. */
export interface ProtocolEvents {
  /** A whole message has arrived. Only in the state `open`. */
  message(message: WsMessage): void;
  /** A Pong has arrived. */
  pong(payload: Uint8Array): void;
  /**
   * The message that is arriving is longer than `maxMessageSize`. Returns whether the connection shall be failed;
   * otherwise the protocol is `stalled` until somebody asks for the message. Where this is absent, it is failed.
   */
  tooLong?(): boolean;
  /** A compressed message begins. Returns whether it is wanted, as where this is absent; otherwise it is `stalled`. */
  wantsMore?(): boolean;
  /** The protocol was `stalled` and can go on: `receive(0)` is to be called. */
  resumed?(): void;
}

/** What a protocol does not let the peer exceed. */
export interface ProtocolLimits {
  /** The longest message, in bytes; over it the connection is failed with 1009. */
  maxMessageSize: number;
}

/**
 * The rules of one connection, for bytes in and bytes out: decodes what has arrived, answers Ping and Close by itself,
 * and keeps the state. It moves no bytes: read into {@linkcode space}, call {@linkcode receive}, and write what stands
 * in {@linkcode output}.
 */
export interface Protocol {
  /** Which protocol it is. */
  readonly version: Version;
  /** Whether it cannot carry binary messages. */
  readonly textOnly: boolean;
  /** Whether this side closes TCP once the protocol is closed and all is written; otherwise it waits for the peer to. */
  readonly hangsUp: boolean;
  /** Where the connection stands. */
  readonly state: ProtocolState;
  /** What the peer's Close frame said, once it has arrived. */
  readonly received: { readonly code: number; readonly reason: string } | undefined;
  /** Why the connection was failed, if it was. */
  readonly error: WsProtocolError | undefined;
  /** The frames to write. */
  readonly output: Output;
  /** How many messages have been appended to the output whole. */
  readonly messagesSent: number;
  /** Their bytes, before any compression; of text, its UTF-8. */
  readonly bytesSent: number;
  /** How many messages have been delivered whole, to {@linkcode ProtocolEvents.message} or a sink. */
  readonly messagesReceived: number;
  /** Their bytes, inflated; of text, its UTF-8. */
  readonly bytesReceived: number;
  /** Whether bytes wait to be decoded: no more may be read until a `receive(0)` has changed that. */
  readonly stalled: boolean;
  /** The buffer that the next bytes are to be read into. */
  space(): Uint8Array;
  /** Decodes the next `length` bytes, which have been read into {@linkcode space}. Never throws: see `state` and `error`. */
  receive(length: number): void;
  /** The next message, or what is missing of the one that is arriving, goes to `sink`. */
  receiveInto(sink: MessageSink): void;
  /** The peer has ended TCP: in some protocols that is how to close. */
  end(): void;
  /** Appends a message to the output; at once, or if a promise is returned then. In the state `open` only. */
  send(message: WsMessage): Promise<void> | undefined;
  /**
   * Appends a part of a message, as {@linkcode send} does a whole one: from its first part to its last, no other message.
   * Absent where the protocol has no fragments.
   */
  sendPart?(
    type: WsMessageType,
    part: Uint8Array,
    place: { first: boolean; last: boolean },
  ): Promise<void> | undefined;
  /**
   * The frame of a message that goes to other connections too: made, and compressed, once for all that send the same
   * bytes, and to be given to {@linkcode sendShared}. `undefined` if this one's differ from everybody else's.
   */
  share(message: SharedMessage): Uint8Array | Promise<Uint8Array> | undefined;
  /** Appends the frame that {@linkcode share} has made of the message. In the state `open` only. */
  sendShared(message: SharedMessage, frame: Uint8Array): void;
  /** Appends a Ping with this payload, at most 125 bytes. In the state `open` only. */
  ping(payload: Uint8Array): void;
  /** Appends a Close; nothing can be sent after it. Does nothing in any other state than `open`. */
  close(code: number, reason: string): void;
  /** To be called when the output has been written, after having grown long: appends what was held back. */
  drained(): void;
  /** The connection is no more: gives back the buffers that are read into, or those that are written from. */
  release(part: "input" | "output"): void;
}
