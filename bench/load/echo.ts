import { Buffer } from "node:buffer";
import { writeAll } from "../../transport.ts";
import type { Job, Result } from "../job.ts";
import { Meter } from "./meter.ts";
import { notEnd, openAll, replies, requests } from "./socket.ts";

/**
 * Keeps `depth` messages in flight on each connection: a reply that has arrived frees a place, which is filled at once.
 * Every byte that comes back is compared with what must come.
 */
export async function echo(job: Job): Promise<Result> {
  const { depth } = job;
  const meter = new Meter(job);
  const request = requests(job, depth);
  const reply = replies(job, depth + 1); // one more: what is read may begin within one
  const timed = depth === 1;

  async function load(conn: Deno.Conn): Promise<void> {
    const buffer = Buffer.alloc(Math.min(reply.bytes.length, 1 << 18));
    let partial = 0; // bytes of a reply whose rest has not come
    let since = performance.now();
    let sending = writeAll(conn, request.bytes);
    while (!meter.ended) {
      const room = Math.min(buffer.length, reply.bytes.length - partial);
      const length = notEnd(
        await conn.read(room === buffer.length ? buffer : buffer.subarray(0, room)),
      );
      reply.check(buffer, length, partial);
      const complete = Math.floor((partial + length) / reply.each);
      partial = (partial + length) % reply.each;
      if (complete === 0) continue;
      if (timed) meter.count(complete, { since });
      else meter.count(complete);
      await sending; // large messages are still going out while the first replies arrive
      if (timed) since = performance.now();
      sending = writeAll(conn, request.first(complete));
    }
  }

  return await meter.run(Promise.all((await openAll(job)).map(load)));
}

/** `depth` messages to the server, which sends each to all connections; when all have them, the next ones. */
export async function broadcast(job: Job): Promise<Result> {
  const { depth } = job;
  const meter = new Meter(job);
  const request = requests(job, depth);
  const reply = replies(job, depth + 1); // one more: what is read may begin within one
  const all = depth * reply.each;
  const conns = await openAll(job, "/broadcast");
  let missing = 0;
  const ask = () => {
    missing = conns.length * all;
    return writeAll(conns[0]!, request.bytes);
  };

  async function receive(conn: Deno.Conn): Promise<void> {
    const buffer = Buffer.alloc(all);
    for (let at = 0; !meter.ended;) {
      const length = notEnd(await conn.read(buffer));
      reply.check(buffer, length, at % reply.each);
      at += length;
      missing -= length;
      if (missing > 0) continue;
      meter.count(conns.length * depth);
      await ask();
    }
  }

  await ask();
  return await meter.run(Promise.all(conns.map(receive)));
}
