import { concat } from "@std/bytes/concat";
import { encodeFrame, Opcode, readFrameHeader } from "@wsconn/ws/framing";
import { MessageDeflate } from "@wsconn/ws/framing/deflate";
import { writeAll } from "../../transport.ts";
import type { Job, Result } from "../job.ts";
import { jsonBytes } from "./json.ts";
import { Meter } from "./meter.ts";
import { notEnd, open } from "./socket.ts";

/** So many different messages go round: more than the 32 KiB that DEFLATE looks back. */
const ROUND = 64;
/** The frames of a round that follows another one: from then on what the other side looks back on is always the same. */
async function compress(
  documents: Uint8Array[],
): Promise<[first: Uint8Array[], next: Uint8Array[]]> {
  const { deflater } = new MessageDeflate();
  const round = async () => {
    const frames = [];
    for (const bytes of documents) {
      const payload = await deflater.push(bytes, true);
      frames.push(encodeFrame(Opcode.Text, payload, { rsv1: true, maskKey: 0x9d3b5c71 }));
    }
    return frames;
  };
  return [await round(), await round()];
}

/**
 * Echo of compressed messages, all of them compressed in advance. The first round of replies is inflated and compared;
 * after that they are counted, frame by frame.
 */
export async function deflate(job: Job): Promise<Result> {
  const meter = new Meter(job);
  const documents = Array.from({ length: ROUND }, (_, number) => jsonBytes(number, job.size));
  const [first, next] = await compress(documents);

  async function load(): Promise<void> {
    const [conn, head] = await open(
      job,
      "/",
      "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    );
    if (!/permessage-deflate/i.test(head) || /takeover/i.test(head)) throw new Error(head);
    const replies = new Replies(documents);
    let sent = 0;
    const send = (count: number) => {
      const frames = [];
      for (; count > 0; count--, sent++) frames.push((sent < ROUND ? first : next)[sent % ROUND]!);
      return writeAll(conn, concat(frames));
    };
    await send(job.depth);
    const buffer = new Uint8Array(1 << 18);
    let partial = 0;
    while (!meter.ended) {
      const length = partial + notEnd(await conn.read(buffer.subarray(partial)));
      const { count, bytes } = replies.take(buffer.subarray(0, length));
      buffer.copyWithin(0, bytes, length);
      partial = length - bytes;
      if (count === 0) continue;
      meter.count(count, { bytes });
      await send(count);
    }
    if (replies.wrong) throw new Error("A reply is not the echo of what was sent");
  }

  return await meter.run(Promise.all(Array.from({ length: job.conns }, load)));
}

/** Tells replies apart, and looks into the first ones. */
class Replies {
  /** Whether one was not what was sent. */
  wrong = false;
  readonly #documents: Uint8Array[];
  readonly #header = {
    fin: false,
    rsv1: false,
    opcode: 0,
    length: 0,
    masked: false,
    maskKey: 0,
  };
  #count = 0;
  #checked: Promise<void> = Promise.resolve();
  readonly #inflater = new MessageDeflate().inflater;

  constructor(documents: Uint8Array[]) {
    this.#documents = documents;
  }

  /** Takes all whole frames: how many, and how many bytes they are. */
  take(bytes: Uint8Array): { count: number; bytes: number } {
    const before = this.#count;
    let at = 0;
    for (;;) {
      const size = readFrameHeader(bytes, at, bytes.length, this.#header);
      const end = at + size + this.#header.length;
      if (size === 0 || end > bytes.length) return { count: this.#count - before, bytes: at };
      if (this.#count < this.#documents.length) this.#check(bytes.slice(at + size, end));
      this.#count++;
      at = end;
    }
  }

  #check(payload: Uint8Array): void {
    const expected = this.#documents[this.#count]!;
    const { opcode, rsv1 } = this.#header;
    this.#checked = this.#checked.then(async () => {
      const text = rsv1 ? await this.#inflate(payload) : payload;
      const same = opcode === Opcode.Text && text.length === expected.length &&
        text.every((byte, at) => byte === expected[at]);
      if (!same) this.wrong = true;
    });
  }

  #inflate(payload: Uint8Array): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    return new Promise((resolve, reject) => {
      this.#inflater.events = {
        output: (piece) => pieces.push(piece.slice()) > 0,
        done: (error) => error === undefined ? resolve(concat(pieces)) : reject(error),
      };
      this.#inflater.push(payload, true);
    });
  }
}
