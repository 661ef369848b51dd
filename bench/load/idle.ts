import { writeAll } from "../../transport.ts";
import type { Job, Result } from "../job.ts";
import { pause, watchCpu } from "./meter.ts";
import { memoryOf } from "./process.ts";
import { notEnd, openAll, replies, requests } from "./socket.ts";

/** Opens connections, 64 at once, holds them, and asks one echo of each to see that it lives. */
export async function idle(job: Job): Promise<Result> {
  const before = memoryOf(job.pid, "now");
  const usage = watchCpu(job);
  const conns = await openAll(job);
  const { elapsed, cpu, heldUp } = usage();
  await pause(Math.max(1, job.seconds));
  const held = memoryOf(job.pid, "now");

  const request = requests(job, 1);
  const { each } = replies(job, 1);
  await Promise.all(conns.map(async (conn) => {
    await writeAll(conn, request.bytes);
    const buffer = new Uint8Array(each);
    for (let at = 0; at < each;) at += notEnd(await conn.read(buffer));
  }));
  return {
    idle: (held - before) / conns.length,
    opened: conns.length / elapsed,
    cpu: cpu / conns.length * 1e6,
    heldUp,
  };
}
