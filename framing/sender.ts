import type { MessageDeflate } from "./deflate.ts";
import { encodeFrame, FIN, Opcode, RSV1 } from "./frame.ts";
import type { WsMessage, WsMessageType } from "./message.ts";
import type { Output } from "./output.ts";
import type { ProtocolState } from "./protocol.ts";
import type { SharedMessage } from "./shared.ts";
import { encodeUtf8 } from "./utf8.ts";
import { FrameWriter } from "./writer.ts";

/** The protocol that a {@linkcode MessageSender} sends for. */
interface Owner {
  readonly state: ProtocolState;
  readonly output: Output;
}

/**
 * Makes frames of the messages of one side, whole, in parts, or shared with other connections; compressed if that was
 * agreed on. Everything is appended at once, or if a promise is returned then; and only while the protocol is open.
 */
export class MessageSender extends FrameWriter {
  /** How many messages have been appended whole. */
  messages = 0;
  /** Their bytes, before any compression. */
  bytes = 0;
  /** The bytes of the message of which parts have been sent, and not yet the last. */
  #begun = 0;
  readonly #owner: Owner;
  readonly #deflate: MessageDeflate | undefined;

  constructor(owner: Owner, masks: boolean, deflate: MessageDeflate | undefined) {
    super(owner.output, masks);
    this.#owner = owner;
    this.#deflate = deflate;
  }

  /** Appends a message. */
  send(message: WsMessage): Promise<void> | undefined {
    this.#assertOpen();
    const isText = typeof message === "string";
    if (
      this.#deflate !== undefined && message.length * (isText ? 3 : 1) >= this.#deflate.threshold
    ) {
      const payload = isText ? encodeUtf8(message) : message;
      if (payload.length >= this.#deflate.threshold) {
        return this.#compress(isText ? Opcode.Text : Opcode.Binary, payload, true);
      }
    }
    this.bytes += isText ? this.text(message) : this.data(FIN | Opcode.Binary, message);
    this.messages++;
    return undefined;
  }

  /** Appends a fragment, RFC 6455 §5.4. */
  sendPart(
    type: WsMessageType,
    part: Uint8Array,
    { first, last }: { first: boolean; last: boolean },
  ): Promise<void> | undefined {
    this.#assertOpen();
    const opcode = !first ? Opcode.Continuation : type === "text" ? Opcode.Text : Opcode.Binary;
    if (this.#deflate !== undefined) return this.#compress(opcode, part, last);
    this.#countPart(this.data(last ? FIN | opcode : opcode, part), last);
    return undefined;
  }

  /** The frame of a message that others send too, or `undefined` if this side's differ from everybody else's. */
  share(message: SharedMessage): Uint8Array | Promise<Uint8Array> | undefined {
    if (this.masks) return undefined;
    const opcode = message.isText ? Opcode.Text : Opcode.Binary;
    const deflate = this.#deflate;
    if (deflate === undefined || message.payload.length < deflate.threshold) {
      return message.frame("rfc6455", () => encodeFrame(opcode, message.payload));
    }
    const { deflater } = deflate;
    if (deflater.kind === undefined) return undefined;
    return message.frame(deflater.kind, () => {
      const toFrame = (compressed: Uint8Array) => encodeFrame(opcode, compressed, { rsv1: true });
      const compressed = deflater.deflate(message.payload);
      return compressed instanceof Promise ? compressed.then(toFrame) : toFrame(compressed);
    });
  }

  /** Appends the frame that {@linkcode share} has made of the message. */
  sendShared(message: SharedMessage, frame: Uint8Array): void {
    this.#assertOpen();
    this.output.append(frame);
    this.messages++;
    this.bytes += message.payload.length;
  }

  async #compress(opcode: number, payload: Uint8Array, last: boolean): Promise<void> {
    const compressed = await this.#deflate!.deflater.push(payload, last);
    this.#assertOpen();
    // RFC 7692 §6.1: RSV1 stands on the first fragment only
    const first = opcode === Opcode.Continuation ? opcode : RSV1 | opcode;
    this.data(last ? FIN | first : first, compressed);
    this.#countPart(payload.length, last);
  }

  #countPart(length: number, last: boolean): void {
    this.#begun += length;
    if (!last) return;
    this.messages++;
    this.bytes += this.#begun;
    this.#begun = 0;
  }

  #assertOpen(): void {
    const { state } = this.#owner;
    if (state !== "open") {
      throw new TypeError(`Cannot send a message: the protocol's state is "${state}"`);
    }
  }
}
