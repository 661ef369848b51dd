/**
 * The load generator, in a process of its own:
 *
 *     deno run -A bench/load.ts PORT CONNS DEPTH SIZE text|binary SECONDS [raw]
 *
 * Each connection keeps DEPTH messages of SIZE bytes in flight: a reply that has arrived frees a place, which is filled
 * at once. Every byte that comes back is compared with what must come. `raw` sends the same bytes over plain TCP and
 * expects them back. Prints messages a second, and the latency of a batch in microseconds, as JSON.
 */
import { Buffer } from "node:buffer";
import { encodeFrame, nextMaskKey, Opcode } from "@wsconn/ws/framing";

const [port, conns, depth, size, type, seconds] = [
  ...Deno.args.slice(0, 4).map(Number),
  Deno.args[4],
  Number(Deno.args[5]),
] as [number, number, number, number, string, number];
const raw = Deno.args[6] === "raw";
const opcode = type === "text" ? Opcode.Text : Opcode.Binary;
const payload = new Uint8Array(size).fill(0x78);

/** Many frames in a row, so that any number of them up to `depth` is one slice of it. */
function repeated(frame: () => Uint8Array): { bytes: Uint8Array; each: number } {
  const each = frame().length;
  const bytes = new Uint8Array(each * (depth + 1));
  for (let i = 0; i <= depth; i++) bytes.set(frame(), i * each);
  return { bytes, each };
}

const request = repeated(() => encodeFrame(opcode, payload, { maskKey: nextMaskKey() }));
const reply = raw ? request : repeated(() => encodeFrame(opcode, payload));
const expected = Buffer.from(reply.bytes.buffer as ArrayBuffer);

const latencies: number[] = [];
let measuring = false;
let ended = false;
let messages = 0;

async function open(): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay();
  if (raw) return conn;
  await conn.write(new TextEncoder().encode(
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  ));
  const buffer = new Uint8Array(4096);
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    head += new TextDecoder().decode(buffer.subarray(0, (await conn.read(buffer))!));
  }
  if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(head);
  return conn;
}

async function send(conn: Deno.TcpConn, count: number): Promise<void> {
  let bytes = request.bytes.subarray(0, count * request.each);
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

async function load(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(1 << 18);
  const view = Buffer.from(buffer.buffer);
  let partial = 0; // bytes of a reply whose rest has not come
  let start = performance.now();
  let sending = send(conn, depth);
  while (!ended) {
    const room = Math.min(buffer.length, reply.bytes.length - partial);
    const length = (await conn.read(buffer.subarray(0, room)))!;
    if (expected.compare(view, 0, length, partial, partial + length) !== 0) {
      throw new Error("The reply is not the echo of what was sent");
    }
    const complete = Math.floor((partial + length) / reply.each);
    partial = (partial + length) % reply.each;
    if (complete === 0) continue;
    if (measuring) {
      messages += complete;
      if (latencies.length < 1e6) latencies.push(performance.now() - start);
    }
    await sending; // large messages are still going out while the first replies arrive
    start = performance.now();
    sending = send(conn, complete);
  }
  conn.close();
  await sending.catch(() => {});
}

const connections = await Promise.all(Array.from({ length: conns }, open));
const all = Promise.all(connections.map((conn) => load(conn)));
const pause = (s: number) => new Promise((resolve) => setTimeout(resolve, s * 1000));
await Promise.race([pause(Math.min(1, seconds / 2)), all]);
measuring = true;
const from = performance.now();
await Promise.race([pause(seconds), all]);
const elapsed = (performance.now() - from) / 1000;
ended = true;
latencies.sort((a, b) => a - b);
const at = (share: number) => Math.round(latencies[Math.floor(latencies.length * share)]! * 1000);
console.log(JSON.stringify({ rate: messages / elapsed, p50: at(0.5), p99: at(0.99) }));
Deno.exit();
