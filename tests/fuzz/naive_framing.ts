/**
 * A second decoder of RFC 6455, for the fuzzer to compare the library's with. It is written from the RFC alone (§5, §7, §8.1),
 * takes the whole input at once, and is as slow and as plain as can be.
 */

import type { MessageInflater } from "./naive_inflate.ts";

/** How an input may end. */
export interface Ending {
  state: "open" | "closing" | "closed";
  /** The close code with which this side failed the connection, if it did so in the state `open`. */
  failed: number | undefined;
  /** What the peer's Close frame said. */
  received: { code: number; reason: string } | undefined;
  /** The payload of the Close that this side sent, unless it failed the connection: then the reason is its own. */
  close: Uint8Array | undefined;
}

/** What must become of an input. */
export interface Outcome {
  messages: (string | Uint8Array)[];
  /** The payloads of the Pongs that arrived. */
  pongs: Uint8Array[];
  /** The payloads of the Pings to be answered. */
  pings: Uint8Array[];
  /** The endings that the standard allows: several where it does not say when, or with what code, to fail. */
  endings: Ending[];
  /** What may become of it instead, depending on how zlib is fed. */
  orElse?: Outcome[];
  /** Whether that decides what becomes of it, as it decides which of several things that are wrong is noticed first. */
  isLoose?: boolean;
}

/** What an input is decoded under. */
export interface Setting {
  /** Whether the peer must mask, as a client must. */
  masked: boolean;
  maxMessageSize: number;
  /** This side sends a Close with this payload when so many bytes have arrived. */
  closeAt: number;
  closePayload: Uint8Array;
  /** Inflates what is compressed, if that was agreed on. */
  inflater?: MessageInflater;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text, or `undefined` if these bytes are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** What could complete a character that is cut: of these, each lead byte finds one whose first byte is in its range. */
const CONTINUATIONS = ["", "80", "8080", "a080", "808080", "908080"].map((hex) => [
  ...Uint8Array.fromHex(hex),
]);

/** Whether these bytes, with something behind them, could be UTF-8. */
export function couldBecomeText(bytes: readonly number[]): boolean {
  return CONTINUATIONS.some((more) => textOf(Uint8Array.from([...bytes, ...more])) !== undefined);
}

/** A frame header, as much of it as there is, and what is wrong with it. */
export interface Header {
  opcode: number;
  fin: boolean;
  /** Whether a compressed message begins here. */
  compressed: boolean;
  length: bigint;
  key: number[];
  /** Where the payload begins; `undefined` if the input ends before. */
  payloadAt: number | undefined;
  /** Whether it breaks a rule that holds in every state. */
  faulty: boolean;
}

/** §5.2; `compression` is whether permessage-deflate was agreed on. */
export function readHeader(
  bytes: Uint8Array,
  at: number,
  masked: boolean,
  compression = false,
): Header {
  const [first, second] = [bytes[at]!, bytes[at + 1]];
  const header: Header = {
    opcode: first & 15,
    fin: (first & 128) !== 0,
    compressed: (first & 64) !== 0,
    length: 0n,
    key: [],
    payloadAt: undefined,
    faulty: false,
  };
  const isControl = header.opcode >= 8;
  // "MUST be 0 unless an extension is negotiated": RSV1, RSV2, RSV3
  if ((first & 0b0011_0000) !== 0) header.faulty = true;
  // RFC 7692 §6: not on control frames, and on the first frame of a message only
  const mayBegin = header.opcode === 1 || header.opcode === 2;
  if (header.compressed && !(compression && mayBegin)) header.faulty = true;
  if (![0, 1, 2, 8, 9, 10].includes(header.opcode)) header.faulty = true;
  if (isControl && !header.fin) header.faulty = true; // §5.5: "MUST NOT be fragmented"
  if (second === undefined) return header;
  if ((second & 128) !== 0 !== masked) header.faulty = true; // §5.1
  const short = second & 127;
  if (isControl && short > 125) header.faulty = true; // §5.5
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const keyAt = at + 2 + lengthBytes;
  const payloadAt = keyAt + ((second & 128) !== 0 ? 4 : 0);
  if (payloadAt > bytes.length) return header;
  header.payloadAt = payloadAt;
  header.length = BigInt(short);
  if (lengthBytes > 0) {
    header.length = 0n;
    for (const byte of bytes.slice(at + 2, keyAt)) {
      header.length = header.length * 256n + BigInt(byte);
    }
    // "the minimal number of bytes MUST be used to encode the length"
    if (header.length < (lengthBytes === 2 ? 126n : 65536n)) header.faulty = true;
    // "the most significant bit MUST be 0"
    if (header.length >= 2n ** 63n) header.faulty = true;
  }
  header.key = Array.from(bytes.slice(keyAt, payloadAt));
  return header;
}

/** Whether a Close frame may carry this code: §7.4.1, §7.4.2, and 1012 to 1014 of the IANA registry. */
function mayBeSent(code: number): boolean {
  const defined = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  return defined.includes(code) || (code >= 3000 && code <= 4999);
}

/** Decodes an input. */
export function decode(bytes: Uint8Array, setting: Setting): Outcome {
  const outcome: Outcome = { messages: [], pongs: [], pings: [], endings: [] };
  const { closeAt, closePayload, inflater, maxMessageSize } = setting;
  let message: { text: boolean; compressed: boolean; bytes: number[] } | undefined;

  /** The end of the input, nothing being wrong so far. */
  const quiet = (): Ending =>
    closeAt <= bytes.length
      ? { state: "closing", failed: undefined, received: undefined, close: closePayload }
      : { state: "open", failed: undefined, received: undefined, close: undefined };
  /** §7.1.7: failed by what ends at `until`; after this side's own Close that is just the end. */
  const failure = (until: number, ...codes: number[]): Ending[] =>
    until <= closeAt
      ? codes.map((failed) => ({ state: "closed", failed, received: undefined, close: undefined }))
      : [{ ...quiet(), state: "closed" }];
  const end = (...endings: Ending[]): Outcome => ({ ...outcome, endings });

  for (let at = 0; at < bytes.length;) {
    const header = readHeader(bytes, at, setting.masked, inflater !== undefined);
    const { opcode, fin, length, key, payloadAt } = header;
    if (payloadAt === undefined) {
      // The RFC does not ask to fail before the header is complete, nor forbids it.
      return end(
        quiet(),
        ...(header.faulty ? [...failure(at + 1, 1002), ...failure(Infinity, 1002)] : []),
      );
    }
    const open = payloadAt <= closeAt;
    const codes = header.faulty ? [1002] : [];
    if (open && opcode < 8) {
      // §5.4
      if ((opcode === 0) !== (message !== undefined)) codes.push(1002);
      // §10.4: of a compressed message what it inflates to counts, which may be less; but 2^53 bytes cannot be counted
      const total = length + BigInt(message?.bytes.length ?? 0);
      const compressed = message?.compressed ?? header.compressed;
      const limit = compressed ? Number.MAX_SAFE_INTEGER : maxMessageSize;
      if ((compressed ? length : total) > limit && length < 2n ** 63n) codes.push(1009);
    }
    if (codes.length > 0) {
      // within a header that this side's Close cuts, a fault may have been seen before or after
      const straddles = at < closeAt && closeAt < payloadAt;
      return end(...failure(payloadAt, ...codes), ...(straddles ? failure(at + 1, ...codes) : []));
    }
    const payloadEnd = payloadAt + Number(length);
    const payload = Array.from(
      bytes.slice(payloadAt, Math.min(payloadEnd, opcode < 8 ? closeAt : Infinity)),
      (byte, i) => key.length > 0 ? byte ^ key[i % 4]! : byte, // §5.3
    );
    if (opcode < 8) {
      if (opcode !== 0) {
        message = { text: opcode === 1, compressed: header.compressed, bytes: [] };
        inflater?.begin();
      }
      const noticed: number[] = [];
      if (open && message?.compressed) {
        const arrived = payloadEnd <= Math.min(bytes.length, closeAt);
        const { bytes: inflated, invalid } = inflater!.take(payload, fin && arrived);
        message.bytes = inflated;
        if (invalid === "yes") noticed.push(1007);
        if (inflated.length > maxMessageSize) noticed.push(1009);
        if (invalid === "perhaps") {
          const { orElse = [], ...soFar } = structuredClone(outcome);
          soFar.endings = failure(payloadAt, ...noticed, 1007);
          Object.assign(outcome, { isLoose: true, orElse: [...orElse, soFar] });
        }
      } else if (open) { for (const byte of payload) message?.bytes.push(byte); }
      if (open && message?.text && !couldBecomeText(message.bytes)) noticed.push(1007); // §8.1
      if (noticed.some((code) => code !== noticed[0])) outcome.isLoose = true;
      if (noticed.length > 0) return end(...failure(payloadAt, ...noticed));
    }
    if (payloadEnd > bytes.length) {
      // Too long to be counted in a number: whether to wait for its end, to discard it, is left open.
      return end(quiet(), ...(length >= 2n ** 53n ? failure(payloadAt, 1009) : []));
    }
    at = payloadEnd;
    const whole = Uint8Array.from(payload);
    if (opcode === 9) { // §5.5.2
      if (payloadEnd <= closeAt) outcome.pings.push(whole);
    } else if (opcode === 10) outcome.pongs.push(whole);
    else if (opcode === 8) {
      const received = closeOf(whole);
      if (typeof received === "number") return end(...failure(payloadEnd, received));
      // §5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame", it sends one
      const close = payloadEnd <= closeAt ? whole : closePayload;
      return end({ state: "closed", failed: undefined, received, close });
    } else if (payloadEnd > closeAt) message = undefined;
    else if (fin) {
      const data = Uint8Array.from(message!.bytes);
      const content = message!.text ? textOf(data) : data;
      if (content === undefined) return end(...failure(payloadEnd, 1007)); // §8.1
      outcome.messages.push(content);
      message = undefined;
    }
  }
  return end(quiet());
}

/** §5.5.1: what a Close frame says, or the code to fail with. */
function closeOf(payload: Uint8Array): { code: number; reason: string } | number {
  if (payload.length === 0) return { code: 1005, reason: "" }; // §7.1.5
  if (payload.length === 1) return 1002;
  const code = payload[0]! * 256 + payload[1]!;
  if (!mayBeSent(code)) return 1002;
  const reason = textOf(payload.slice(2));
  return reason === undefined ? 1007 : { code, reason };
}
