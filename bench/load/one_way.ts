import { Buffer } from "node:buffer";
import { writeAll } from "../../transport.ts";
import { type Job, type Result, warmUp } from "../job.ts";
import { Meter, pause, watchCpu } from "./meter.ts";
import { notEnd, open, replies, requests, textFrame } from "./socket.ts";

/** How much is written at once. */
const WRITE = 1 << 17;
/** How many messages the server is asked for at once. */
const BATCH = 100_000;

/** Sends without pause, then "END"; the clock stops when the server has answered with the number of messages. */
export async function sink(job: Job): Promise<Result> {
  const [conn] = await open(job, "/sink");
  const count = Math.ceil(WRITE / job.size);
  const request = requests(job, count);
  const buffer = new Uint8Array(64);

  async function pour(seconds: number): Promise<number> {
    let over = false;
    void pause(seconds).then(() => over = true);
    let sent = 0;
    for (; !over; sent += count) await writeAll(conn, request.bytes);
    await writeAll(conn, textFrame("END"));
    const answer = new TextDecoder().decode(buffer.subarray(2, notEnd(await conn.read(buffer))));
    if (answer !== String(sent)) throw new Error(`Sent ${sent} messages, counted ${answer}`);
    return sent;
  }

  await pour(warmUp(job.seconds));
  const usage = watchCpu(job);
  const sent = await pour(job.seconds);
  const { elapsed, cpu, heldUp } = usage();
  return { rate: sent / elapsed, cpu: cpu / sent * 1e6, heldUp };
}

/** Asks for messages again and again, and compares every byte of them. */
export async function source(job: Job): Promise<Result> {
  const [conn] = await open(job, "/source");
  const meter = new Meter(job);
  const buffer = Buffer.alloc(1 << 18);
  const reply = replies(job, Math.ceil(buffer.length / job.size) + 1);
  const request = textFrame(`SEND ${BATCH} ${job.size} ${job.type}`);

  async function receive(): Promise<void> {
    let asked = 0;
    for (let partial = 0; !meter.ended;) {
      if (asked === 0) {
        asked = BATCH;
        await writeAll(conn, request);
      }
      const length = notEnd(await conn.read(buffer));
      reply.check(buffer, length, partial);
      const complete = Math.floor((partial + length) / reply.each);
      partial = (partial + length) % reply.each;
      asked -= complete;
      meter.count(complete);
    }
  }

  return await meter.run(receive());
}
