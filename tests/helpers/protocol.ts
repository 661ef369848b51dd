/** One side of a protocol without a connection, for tests: bytes in, messages and bytes out. */
import { concat } from "@std/bytes";
import {
  type Protocol,
  type ProtocolEvents,
  type ProtocolLimits,
  Rfc6455Protocol,
  type Role,
  type WsMessage,
} from "../../framing/mod.ts";

export class Side {
  readonly messages: WsMessage[] = [];
  readonly pongs: Uint8Array[] = [];
  readonly protocol: Protocol;

  constructor(make: (events: ProtocolEvents) => Protocol) {
    this.protocol = make({
      message: (message) => this.messages.push(message),
      pong: (payload) => this.pongs.push(payload.slice()),
    });
  }

  static rfc6455(role: Role, limits: Partial<ProtocolLimits> = {}): Side {
    return new Side((events) =>
      new Rfc6455Protocol(role, events, { maxMessageSize: 1 << 20, ...limits })
    );
  }

  /** Takes one piece as a connection would: in as many reads as the protocol has space for. */
  receive(bytes: Uint8Array): void {
    while (bytes.length > 0) {
      const space = this.protocol.space();
      const part = bytes.subarray(0, space.length);
      space.set(part);
      this.protocol.receive(part.length);
      if (this.protocol.stalled) this.protocol.receive(0);
      bytes = bytes.subarray(part.length);
    }
  }

  /** All that it has to say. */
  sent(): Uint8Array {
    const { output } = this.protocol;
    const pieces = [];
    for (let piece; (piece = output.next()) !== undefined;) {
      pieces.push(piece.slice());
      output.written(piece.length);
    }
    return concat(pieces);
  }
}
