/** Broadcasts to those that read slowly, or not at all. */
import { assert, assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import { broadcast, type BroadcastOptions, type WsConn } from "../../mod.ts";
import { decodeClose, Opcode } from "../../framing/mod.ts";
import { randomBytes, seeded } from "../helpers/bytes.ts";
import type { RawPeer } from "../helpers/sockets.ts";
import { pause } from "../streams/helpers.ts";
import { connectAll, drained, type Ends, KINDS, NONE, same, stalled } from "./ends.ts";

const KiB = 1024, MiB = 1024 * 1024;

Deno.test("a slow consumer is skipped and counted, holds little, and harms nobody; when it reads it gets what it was sent", async () => {
  const ends = await connectAll([KINDS[0]!, KINDS[0]!, KINDS[3]!, KINDS[4]!]);
  const { conn: slow, peer } = await stalled();
  const conns = [ends[0]!.conn, slow, ...ends.slice(1).map(({ conn }) => conn)];
  const maxBuffered = 256 * KiB;
  const size = 60_000;
  const message = randomBytes(seeded(3), size);
  let skipped = 0, count = 0;
  const sentToSlow: number[] = [];
  const readers = ends.map(async ({ peer }) => {
    const got: number[] = [];
    for await (const message of peer) {
      assertEquals(message.length, size);
      got.push(new DataView((message as Uint8Array).slice().buffer).getUint32(0));
    }
    return got;
  });
  while (skipped < 20) {
    new DataView(message.buffer).setUint32(0, count);
    const result = broadcast(conns, message, { maxBuffered });
    assertEquals(result.sent + result.skipped, conns.length);
    if (result.skipped > 0) assertGreater(slow.bufferedAmount, maxBuffered);
    else sentToSlow.push(count);
    assertLessOrEqual(slow.bufferedAmount, maxBuffered + size + 10);
    skipped += result.skipped;
    count++;
    for (const { conn } of ends) await drained(conn); // they keep up
  }
  assert(!slow.closed);
  assertGreater(await pinged(slow, peer, sentToSlow), 0);
  assertEquals(slow.bufferedAmount, 0);
  // and from now on everything again
  assertEquals(broadcast([slow], "welcome back"), { ...NONE, sent: 1 });
  assertEquals(new TextDecoder().decode((await peer.next())![1]), "welcome back");
  peer[Symbol.dispose]();
  await slow.finished;
  await Promise.all(ends.map(({ conn }) => conn.close()));
  const everything = Array.from({ length: count }, (_, at) => at);
  for (const got of await Promise.all(readers)) assertEquals(got, everything);
});

/** Reads what was sent on a connection, and sees that it still answers. Returns how many messages there were. */
async function pinged(conn: WsConn, peer: RawPeer, expected: number[]): Promise<number> {
  const got: number[] = [];
  await peer.send(Opcode.Ping, "still there?");
  for (let ponged = false; !ponged || got.length < expected.length;) {
    const [first, payload] = (await peer.next())!;
    if (first === 0x8a) ponged = true;
    else got.push(new DataView(payload.buffer).getUint32(0));
  }
  assertEquals(got, expected);
  await drained(conn);
  return got.length;
}

Deno.test("what waits for slow consumers is one buffer for all of them", async () => {
  const peers = [];
  for (let i = 0; i < 8; i++) peers.push(await stalled());
  const conns = peers.map(({ conn }) => conn);
  const before = Deno.memoryUsage();
  const used = ({ external, heapUsed }: Deno.MemoryUsage) => external + heapUsed;
  const message = "x".repeat(64 * KiB);
  const maxBuffered = 16 * MiB;
  while (broadcast(conns, message, { maxBuffered }).sent > 0) await pause(0);
  for (const { bufferedAmount } of conns) assertGreater(bufferedAmount, maxBuffered);
  // 8 × 16 MiB wait, of which the connections hold the very same bytes
  assertLess(used(Deno.memoryUsage()) - used(before), 96 * MiB);
  for (const { peer, conn } of peers) {
    peer[Symbol.dispose]();
    await conn.finished;
  }
});

Deno.test("messages that wait behind others count for what they take: empty ones do not pile up without end", async () => {
  const { conn, peer } = await stalled();
  while (broadcast([conn], new Uint8Array(64 * KiB)).sent === 1) await pause(0);
  const before = conn.bufferedAmount;
  const sending = ["one", "two", "three"].map((text) => conn.send(text).catch(() => {}));
  await pause(0);
  const maxBuffered = 2 * MiB;
  let sent = 0;
  while (sent < 10_000 && broadcast([conn], "", { maxBuffered }).sent === 1) sent++;
  assertGreater(sent, 0);
  assertLess(sent, maxBuffered / 256);
  assertLess(conn.bufferedAmount, before + 100);
  peer[Symbol.dispose]();
  await conn.finished;
  await Promise.all(sending);
});

Deno.test("a slow consumer is closed with 1008, and a reason that says how slow; then it is passed over", async () => {
  const { conn: slow, peer } = await stalled();
  const [well] = await connectAll([KINDS[0]!]) as [Ends];
  const options: BroadcastOptions = { maxBuffered: 100 * KiB, slow: "close" };
  const message = randomBytes(seeded(4), 64 * KiB);
  const receiving = (async () => {
    let count = 0;
    for await (const got of well.peer) count += same(got, message) ? 1 : 0;
    return count;
  })();
  let rounds = 0, reason = "";
  for (let closed = 0; closed === 0; rounds++) {
    const waiting = slow.bufferedAmount;
    const result = broadcast([slow, well.conn], message, options);
    closed = result.closed;
    assertEquals(result, { sent: 2 - closed, skipped: 0, closed });
    assertEquals(slow.closed, closed === 1);
    if (closed) reason = `Read too slowly: ${waiting} bytes wait, maxBuffered is ${100 * KiB}`;
    await drained(well.conn);
  }
  assertEquals(broadcast([slow, well.conn], message, options), { ...NONE, sent: 1 });
  // the peer reads at last: whole messages, then why
  let messages = 0, frame = (await peer.next())!;
  for (; frame[0] === 0x82; frame = (await peer.next())!) messages++;
  assertEquals(messages, rounds - 1);
  assertEquals(frame[0], 0x88);
  assertEquals(decodeClose(frame[1]), { code: 1008, reason });
  peer[Symbol.dispose]();
  await slow.finished;
  await well.conn.close();
  assertEquals(await receiving, rounds + 1);
});

Deno.test("neither a send that waits for a slow peer nor a Pong is kept waiting by broadcasts", async () => {
  const { conn, peer } = await stalled();
  const message = randomBytes(seeded(6), 64 * KiB);
  const fill = async () => {
    while (broadcast([conn], message, { maxBuffered: 8 * MiB }).sent === 1) await pause(0);
  };
  await fill();
  let sent = false;
  const sending = conn.send("me too").then(() => sent = true);
  await peer.send(Opcode.Ping, "and me");
  // it reads, but is never through: as much is broadcast again
  const firsts = new Set<number>();
  for (let i = 0; !sent || !firsts.has(0x8a); i++) {
    assertLess(i, 1000);
    firsts.add((await peer.next())![0]);
    assertGreater(conn.bufferedAmount, 0);
    await fill();
  }
  await sending;
  peer.conn.close();
  await conn.finished;
});
