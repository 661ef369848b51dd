/**
 * What clients are measured against: mirror.ts SIZE TYPE. It counts the bytes of the messages that come, which all have
 * this size, and answers with frames made in advance: it has less to do than any client.
 */
import { writeAll } from "../../transport.ts";
import type { Job } from "../job.ts";
import { replies, requests } from "../load/socket.ts";
import { upgrade } from "./upgrade.ts";

const job = { size: Number(Deno.args[0]), type: Deno.args[1] } as Job;
const buffer = 1 << 18;
const { each } = requests(job, 1);
const reply = replies(job, Math.ceil(buffer / each) + 1);

async function mirror(conn: Deno.TcpConn): Promise<void> {
  await upgrade(conn);
  const bytes = new Uint8Array(buffer);
  let partial = 0; // a client waits for the head
  for (let length; (length = await conn.read(bytes)) !== null;) {
    const complete = Math.floor((partial + length) / each);
    partial = (partial + length) % each;
    if (complete > 0) await writeAll(conn, reply.first(complete));
  }
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(listener.addr.port);
for await (const conn of listener) mirror(conn).catch(() => {});
