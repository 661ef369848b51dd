/** One message to many connections: `broadcast`. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import { concat } from "@std/bytes";
import { Buffer } from "node:buffer";
import {
  broadcast,
  type BroadcastOptions,
  wsAccept,
  type WsAcceptOptions,
  type WsConn,
  wsConnect,
  type WsConnectOptions,
  type WsMessage,
} from "../mod.ts";
import { decodeClose, Opcode } from "../framing/mod.ts";
import { randomBytes, seeded } from "./helpers/bytes.ts";
import { openHandles } from "./helpers/deflate.ts";
import { LOCAL, pair, RawPeer } from "./helpers/sockets.ts";
import { bytesOf, pause } from "./streams/helpers.ts";

const KiB = 1024, MiB = 1024 * 1024;
const none = { sent: 0, skipped: 0, closed: 0 };

/** A connection to broadcast on, its other end, and what it has written, write by write. */
interface Ends {
  conn: WsConn;
  peer: WsConn;
  writes: { buffer: ArrayBufferLike; bytes: Uint8Array }[];
}

/** What a connection can be, as far as its frames are concerned. */
interface Kind {
  name: string;
  accept?: WsAcceptOptions;
  connect?: WsConnectOptions;
  /** Whether it is the client's end that is broadcast on. */
  isClient?: boolean;
  textOnly?: boolean;
  /** Those that name the same send the very same bytes, compressed or not; absent: nobody else sends these. */
  long?: string;
  short?: string;
}

const alone = { serverNoContextTakeover: true };
const PLAIN = { long: "plain", short: "plain" };

const KINDS: Kind[] = [
  { name: "plain", ...PLAIN },
  { name: "the other end compresses", connect: { compression: true }, ...PLAIN },
  { name: "client", isClient: true },
  {
    name: "context takeover",
    accept: { compression: true },
    connect: { compression: true },
    short: "plain",
  },
  {
    name: "no context takeover",
    accept: { compression: alone },
    connect: { compression: true },
    long: "deflate",
    short: "plain",
  },
  {
    name: "no context takeover, asked for by the client",
    accept: { compression: true },
    connect: { compression: alone },
    long: "deflate",
    short: "plain",
  },
  {
    name: "a window of 10 bits",
    accept: { compression: alone },
    connect: { compression: { serverMaxWindowBits: 10 } },
    long: "window",
    short: "plain",
  },
  {
    name: "level 1",
    accept: { compression: { ...alone, level: 1 } },
    connect: { compression: true },
    long: "level",
    short: "plain",
  },
  {
    name: "memLevel 2",
    accept: { compression: { ...alone, memLevel: 2 } },
    connect: { compression: true },
    long: "memLevel",
    short: "plain",
  },
  {
    name: "threshold 0",
    accept: { compression: { ...alone, threshold: 0 } },
    connect: { compression: true },
    long: "deflate",
    short: "deflate",
  },
  {
    name: "threshold Infinity",
    accept: { compression: { ...alone, threshold: Infinity } },
    connect: { compression: true },
    ...PLAIN,
  },
  ...(["hixie-76", "hixie-75"] as const).flatMap((version) =>
    (["old", "new"] as const).map((framing): Kind => ({
      name: `${version}, ${framing} framing`,
      accept: { versions: [version], framing },
      connect: { version, framing },
      textOnly: true,
      long: framing,
      short: framing,
    }))
  ),
  {
    name: "a draft's client",
    accept: { framing: "old" },
    connect: { version: "hixie-76", framing: "old" },
    isClient: true,
    textOnly: true,
    long: "old",
    short: "old",
  },
];

/** Both ends of a connection of this kind; what a server's end writes behind its handshake is noted. */
async function connect(kind: Kind): Promise<Ends> {
  using listener = Deno.listen(LOCAL);
  const writes: Ends["writes"] = [];
  const accept = async () => {
    const tcp = await listener.accept();
    const write = tcp.write.bind(tcp);
    tcp.write = async (piece) => {
      const noted = { buffer: piece.buffer, bytes: piece.slice() };
      writes.push(noted);
      const length = await write(piece);
      noted.bytes = noted.bytes.subarray(0, length);
      return length;
    };
    return await wsAccept(tcp, kind.accept);
  };
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  const [server, client] = await Promise.all([accept(), wsConnect(url, kind.connect)]);
  writes.length = 0;
  return kind.isClient
    ? { conn: client, peer: server, writes }
    : { conn: server, peer: client, writes };
}

async function connectAll(kinds: Kind[]): Promise<Ends[]> {
  const ends = [];
  for (const kind of kinds) ends.push(await connect(kind));
  return ends;
}

async function closeAll(ends: Pick<Ends, "conn" | "peer">[]): Promise<void> {
  await Promise.all(ends.map(({ peer }) => peer.close()));
  await Promise.all(ends.map(({ conn }) => conn.finished));
}

function bytesOn({ writes }: Ends): Uint8Array {
  return concat(writes.map(({ bytes }) => bytes));
}

/** Waits until all that was sent on the connection is written. */
async function drained(conn: WsConn): Promise<void> {
  while (conn.bufferedAmount > 0) await pause(1);
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
        assertEquals(result, { ...none, sent: 2 });
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
        assertEquals(result, { ...none, sent: 1 });
      }
      if (random(at < 100 ? 3 : 20) === 0) await pause(0);
    }
    await receiving;
    // what was broadcast before close() arrives before the Close
    const large = "x".repeat(2 * MiB);
    const last = peer.recv();
    assertEquals(broadcast([conn], large).sent, 1);
    void conn.close();
    assertEquals(broadcast([conn], "after"), none);
    assert(await last === large);
    assertEquals(await peer.recv(), null);
    await conn.finished;
    assertEquals(conn.bufferedAmount, 0);
  });
}

function same(a: WsMessage, b: WsMessage): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
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

/** A connection whose peer reads nothing before it is told to. */
async function stalled(): Promise<{ conn: WsConn; peer: RawPeer }> {
  const { conn, peer } = await RawPeer.against("client");
  return { conn, peer };
}

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
  assertEquals(broadcast([slow], "welcome back"), { ...none, sent: 1 });
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
  assertEquals(broadcast([slow, well.conn], message, options), { ...none, sent: 1 });
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

Deno.test("connections that are closed, closing or lost are passed over, and not counted", async () => {
  const ends = await connectAll([KINDS[0]!, KINDS[0]!, KINDS[0]!, KINDS[4]!]);
  const [closed, closing, lost, open] = ends as [Ends, Ends, Ends, Ends];
  await closed.conn.close();
  const { conn: half, peer } = await stalled();
  void half.close(); // its peer does not answer yet
  void closing.conn.close();
  const conns = [closed.conn, closing.conn, half, open.conn, lost.conn];
  assertEquals(broadcast(conns, "who is there?"), { ...none, sent: 2 });
  assertEquals([await open.peer.recv(), await lost.peer.recv()], [
    "who is there?",
    "who is there?",
  ]);
  peer[Symbol.dispose]();
  await half.finished;
  // one that is lost while a message for it is still being compressed
  const text = "to be compressed for a while ".repeat(100_000);
  assertEquals(broadcast([open.conn], text, { maxBuffered: Infinity }).sent, 1);
  void open.conn.close();
  assertEquals((await open.peer.recv())!.length, text.length);
  await closeAll(ends);
  assertEquals(openHandles(), 0);
});

Deno.test("a message that is compressed in parts outlives the connection it was first meant for", async () => {
  const kind = KINDS.find(({ name }) => name === "no context takeover")!;
  const raw = await rawCompressing();
  const { conn, peer } = await connect(kind);
  const text = "to be compressed for a while ".repeat(100_000);
  assertEquals(broadcast([raw.conn, conn], text).sent, 2);
  raw.peer[Symbol.dispose]();
  await raw.conn.finished;
  assert(await peer.recv() === text);
  await closeAll([{ conn, peer }]);
  assertEquals(openHandles(), 0);
});

/** A connection that compresses as "no context takeover" does, and a raw peer of it. */
async function rawCompressing(): Promise<{ conn: WsConn; peer: RawPeer }> {
  using listener = Deno.listen(LOCAL);
  const [peer, conn] = await Promise.all([
    RawPeer.connect(listener.addr, ["Sec-WebSocket-Extensions: permessage-deflate"]),
    listener.accept().then((tcp) => wsAccept(tcp, { compression: alone })),
  ]);
  return { conn, peer };
}

Deno.test("a draft is skipped for a binary message, and so is a connection whose writable is locked", async () => {
  const draft = KINDS.find(({ textOnly }) => textOnly)!;
  const ends = await connectAll([draft, KINDS[0]!, KINDS[0]!]);
  const conns = ends.map(({ conn }) => conn);
  const writer = conns[1]!.writable.getWriter();
  assertEquals(broadcast(conns, Uint8Array.of(1), { slow: "close" }), {
    ...none,
    sent: 1,
    skipped: 2,
  });
  assertEquals(await ends[2]!.peer.recv(), Uint8Array.of(1));
  await writer.write("by its owner");
  writer.releaseLock();
  assertEquals(broadcast(conns, "text"), { ...none, sent: 3 });
  assertEquals(await ends[1]!.peer.recv(), "by its owner");
  for (const { peer } of ends) assertEquals(await peer.recv(), "text");
  await closeAll(ends);
});

Deno.test("whatever gives the connections may change meanwhile, name one twice, or throw", async () => {
  const ends = await connectAll([KINDS[0]!, KINDS[0]!, KINDS[0]!]);
  const conns = ends.map(({ conn }) => conn);
  const [a, b, c] = conns as [WsConn, WsConn, WsConn];
  const changing = new Set([a, b]);
  function* walk() {
    for (const conn of changing) {
      yield conn;
      changing.delete(b);
      changing.add(c);
    }
  }
  assertEquals(broadcast(walk(), "1"), { ...none, sent: 2 });
  assertEquals(broadcast([a, a, b], "2", { except: b }), { ...none, sent: 2 });
  function* failing() {
    yield a;
    throw new Error("no more of them");
  }
  assertThrows(() => broadcast(failing(), "3"), Error, "no more of them");
  assertEquals(broadcast([], "4"), none);
  assertEquals(broadcast(conns, "end").sent, 3);
  const got = [];
  for (const { peer } of ends) {
    const all = [];
    for (let message; (message = await peer.recv()) !== "end";) all.push(message);
    got.push(all);
  }
  assertEquals(got, [["1", "2", "2", "3"], [], ["1"]]);
  await closeAll(ends);
});

Deno.test("options and messages that make no sense are refused before anything is sent", async () => {
  const { server, client } = await pair();
  const wrong: [unknown, unknown, typeof Error, string][] = [
    [
      "x",
      { maxBuffered: -1 },
      RangeError,
      "maxBuffered must be a number of bytes: current value is -1",
    ],
    ["x", { maxBuffered: NaN }, RangeError, "current value is NaN"],
    ["x", { slow: "drop" }, TypeError, 'slow must be "skip" or "close": current value is "drop"'],
    [
      {},
      {},
      TypeError,
      "Cannot broadcast a message of type Object: it must be a string or a Uint8",
    ],
    [new ArrayBuffer(1), {}, TypeError, "Cannot broadcast a message of type ArrayBuffer"],
  ];
  for (const [message, options, type, text] of wrong) {
    const act = () => broadcast([server], message as WsMessage, options as BroadcastOptions);
    assertThrows(act, type, text);
  }
  assertEquals(broadcast([server], "fine").sent, 1);
  assertEquals(await client.recv(), "fine");
  await client.close();
});
