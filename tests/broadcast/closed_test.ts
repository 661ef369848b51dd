/** Broadcasts to those that are passed over; and calls that are refused. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  broadcast,
  type BroadcastOptions,
  wsAccept,
  type WsConn,
  type WsMessage,
} from "../../mod.ts";
import { openHandles } from "../helpers/deflate.ts";
import { LOCAL, pair, RawPeer } from "../helpers/sockets.ts";
import { alone, closeAll, connect, connectAll, type Ends, KINDS, NONE, stalled } from "./ends.ts";

Deno.test("connections that are closed, closing or lost are passed over, and not counted", async () => {
  const ends = await connectAll([KINDS[0]!, KINDS[0]!, KINDS[0]!, KINDS[4]!]);
  const [closed, closing, lost, open] = ends as [Ends, Ends, Ends, Ends];
  await closed.conn.close();
  const { conn: half, peer } = await stalled();
  void half.close(); // its peer does not answer yet
  void closing.conn.close();
  const conns = [closed.conn, closing.conn, half, open.conn, lost.conn];
  assertEquals(broadcast(conns, "who is there?"), { ...NONE, sent: 2 });
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
    ...NONE,
    sent: 1,
    skipped: 2,
  });
  assertEquals(await ends[2]!.peer.recv(), Uint8Array.of(1));
  await writer.write("by its owner");
  writer.releaseLock();
  assertEquals(broadcast(conns, "text"), { ...NONE, sent: 3 });
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
  assertEquals(broadcast(walk(), "1"), { ...NONE, sent: 2 });
  assertEquals(broadcast([a, a, b], "2", { except: b }), { ...NONE, sent: 2 });
  function* failing() {
    yield a;
    throw new Error("no more of them");
  }
  assertThrows(() => broadcast(failing(), "3"), Error, "no more of them");
  assertEquals(broadcast([], "4"), NONE);
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
