/** What a broadcast puts on the wire: of each connection's own, in its place, made once for all that share it. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { concat } from "@std/bytes";
import { Buffer } from "node:buffer";
import { broadcast, type WsMessage } from "../../mod.ts";
import { bytesOf, randomBytes, seeded } from "../helpers/bytes.ts";
import { openHandles } from "../helpers/deflate.ts";
import { pause } from "../streams/helpers.ts";
import {
  closeAll,
  connect,
  connectAll,
  drained,
  type Ends,
  type Kind,
  KINDS,
  NONE,
  same,
} from "./ends.ts";

const MiB = 1024 * 1024;

function bytesOn({ writes }: Ends): Uint8Array {
  return concat(writes.map(({ bytes }) => bytes));
}

/** Texts of these lengths, which compress; and bytes, which do not. */
function messagesOf(lengths: number[], { textOnly }: Kind): WsMessage[] {
  const random = randomBytes(seeded(5), lengths.at(-1)!);
  const texts = lengths.map((length) => "broadcast, é ".repeat(length / 12 + 1).slice(0, length));
  return textOnly ? texts : [...texts, ...lengths.map((length) => random.subarray(0, length))];
}

/** Every form of a header; and what is compressed in several goes. */
const SHORT = [0, 1, 125, 126, 1023, 1024, 32_768, 65_535, 65_536], LONG = [300_000, 600_000];

for (const kind of KINDS) {
  Deno.test(`${kind.name}: what is broadcast arrives as what is sent does, byte by byte the same`, async () => {
    const [one, other, sender] = await connectAll([kind, kind, kind]) as [Ends, Ends, Ends];
    const exchange = async (messages: WsMessage[]) => {
      for (const message of messages) {
        const given = typeof message === "string" ? message : message.slice();
        const result = broadcast([one.conn, other.conn], given, { maxBuffered: Infinity });
        if (typeof given !== "string") given.fill(0xee); // it is the caller's again
        assertEquals(result, { ...NONE, sent: 2 });
        await sender.conn.send(message);
        for (const { peer } of [one, other, sender]) {
          const received = await peer.recv();
          assert(same(received!, message), `${typeof message} of ${message.length}`);
        }
      }
      for (const { conn } of [one, other, sender]) await drained(conn);
    };
    await exchange(messagesOf(SHORT, kind));
    if (!kind.isClient) {
      const expected = bytesOn(sender);
      assertGreater(expected.length, 0);
      for (const ends of [one, other]) assert(same(bytesOn(ends), expected));
    }
    // where zlib is given a message in parts, what it makes of it depends on where they begin
    await exchange(messagesOf(LONG, kind));
    await closeAll([one, other, sender]);
    assertEquals(openHandles(), 0);
  });

  Deno.test(`${kind.name}: broadcasts keep their place among sends and streams, in flight or not`, async () => {
    const { conn, peer } = await connect(kind);
    const random = seeded(17);
    const source = "a text to take pieces of, é; ".repeat(20_000);
    const texts = Array.from({ length: 300 }, (_, at) => {
      const length = random(2 ** random(at % 50 === 0 ? 20 : 16));
      return `${at}: ${source.slice(random(1000)).slice(0, length)}`;
    });
    const receiving = (async () => {
      for (const text of texts) assert(await peer.recv() === text, text.slice(0, 10));
    })();
    for (const [at, text] of texts.entries()) {
      const way = random(5);
      if (way === 0) void conn.send(text);
      else if (way === 1) {
        void conn.sendStream(ReadableStream.from([text.slice(0, 9), text.slice(9)]), {
          type: "text",
        });
      } else {
        const result = broadcast([conn], text, { maxBuffered: Infinity });
        assertEquals(result, { ...NONE, sent: 1 });
      }
      if (random(at < 100 ? 3 : 20) === 0) await pause(0);
    }
    await receiving;
    // what was broadcast before close() arrives before the Close
    const large = "x".repeat(2 * MiB);
    const last = peer.recv();
    assertEquals(broadcast([conn], large).sent, 1);
    void conn.close();
    assertEquals(broadcast([conn], "after"), NONE);
    assert(await last === large);
    assertEquals(await peer.recv(), null);
    await conn.finished;
    assertEquals(conn.bufferedAmount, 0);
  });
}

Deno.test("a Buffer of node's, whose slice is no copy, is the caller's again as soon as broadcast returns", async () => {
  const ends = await connectAll(KINDS.filter(({ textOnly }) => !textOnly));
  for (const length of [5, 5000, 300_000]) { // the last is compressed in parts
    const given = Buffer.alloc(length, "a");
    broadcast(ends.map(({ conn }) => conn), given);
    given.fill("b");
    const expected = new Uint8Array(length).fill(0x61);
    for (const { peer } of ends) assert(same((await peer.recv())!, expected), `${length}`);
  }
  await closeAll(ends);
});

Deno.test("encoded once, and compressed once: those that send the same bytes write the very same buffer", async () => {
  const ends = await connectAll([...KINDS, ...KINDS]);
  const each = [...KINDS, ...KINDS].map((kind, at) => ({ kind, ...ends[at]! }));
  // long: more than an output copies, and incompressible, lest it be less
  const long = randomBytes(seeded(8), 60_000).toHex().slice(0, 90_000);
  const cases: [string, WsMessage, (kind: Kind) => string | undefined][] = [
    ["text", long, ({ long }) => long],
    ["binary", bytesOf(long), ({ long, textOnly }) => textOnly ? undefined : long],
  ];
  for (const [type, message, groupOf] of cases) {
    for (const { writes } of each) writes.length = 0;
    const { sent } = broadcast(ends.map(({ conn }) => conn), message);
    const receivers = each.filter(({ kind }) => type === "text" || !kind.textOnly);
    assertEquals(sent, receivers.length);
    for (const { peer, kind } of receivers) assert(same((await peer.recv())!, message), kind.name);
    const buffers = new Map<string, Set<ArrayBufferLike>>();
    for (const { kind, writes } of receivers) {
      if (kind.isClient) continue;
      const group = groupOf(kind) ?? kind.name;
      if (!buffers.has(group)) buffers.set(group, new Set());
      buffers.get(group)!.add(largest(writes));
    }
    for (const [group, { size }] of buffers) {
      assertEquals(size, group === "context takeover" ? 2 : 1, `${type}: ${group}`);
    }
    const all = [...buffers.values()].flatMap((group) => [...group]);
    assertEquals(new Set(all).size, all.length, "and no two groups share one");
  }
  await closeAll(ends);
});

/** What most was written from. */
function largest(writes: Ends["writes"]): ArrayBufferLike {
  return writes.reduce((most, one) => one.bytes.length > most.bytes.length ? one : most).buffer;
}

Deno.test("golden bytes: an unmasked frame, RSV1 only on what is compressed, each draft's own", async () => {
  const short: [Kind, string][] = [
    [KINDS.find(({ name }) => name === "plain")!, "810548656c6c6f"], // RFC 6455 §5.7
    [KINDS.find(({ name }) => name === "context takeover")!, "810548656c6c6f"],
    // RFC 7692 §7.2.3.1
    [KINDS.find(({ name }) => name === "threshold 0")!, "c107f248cdc9c90700"],
    [KINDS.find(({ name }) => name === "hixie-76, old framing")!, "0048656c6c6fff"],
    [KINDS.find(({ name }) => name === "hixie-75, new framing")!, "ff000000000000000548656c6c6f"],
  ];
  const ends = await connectAll(short.map(([kind]) => kind));
  assertEquals(broadcast(ends.map(({ conn }) => conn), "Hello").sent, short.length);
  for (const [at, [kind, golden]] of short.entries()) {
    assertEquals(await ends[at]!.peer.recv(), "Hello");
    assertEquals(bytesOn(ends[at]!).toHex(), golden, kind.name);
  }
  await closeAll(ends);
});

Deno.test("all that is broadcast in one turn leaves in one write for each connection", async () => {
  const ends = await connectAll([KINDS[0]!, KINDS[0]!]);
  const conns = ends.map(({ conn }) => conn);
  await pause(); // nothing is gathering
  for (let i = 0; i < 20; i++) broadcast(conns, `${i}`);
  for (const { peer, writes } of ends) {
    for (let i = 0; i < 20; i++) assertEquals(await peer.recv(), `${i}`);
    assertEquals(writes.map(({ bytes }) => bytes.length), [10 * 3 + 10 * 4]);
  }
  await closeAll(ends);
});
