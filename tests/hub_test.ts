/** Topics, and who has subscribed to them: `Hub`, alone and with others on a bus. */
import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Hub, type HubOptions, type WsConn, type WsMessage } from "../mod.ts";
import { MemoryExchange } from "./helpers/memory_bus.ts";
import { pair, RawPeer } from "./helpers/sockets.ts";
import { pause } from "./streams/helpers.ts";

const none = { sent: 0, skipped: 0, closed: 0 };

/** So many connections, and their peers. */
async function pairs(count: number): Promise<{ conns: WsConn[]; peers: WsConn[] }> {
  const both = [];
  for (let i = 0; i < count; i++) both.push(await pair());
  return { conns: both.map(({ server }) => server), peers: both.map(({ client }) => client) };
}

/** Closes the connections; gives, for each peer, what it has got. */
async function received(conns: WsConn[], peers: WsConn[]): Promise<WsMessage[][]> {
  for (const conn of conns) void conn.close();
  return await Promise.all(peers.map((peer) => Array.fromAsync(peer)));
}

function topicsOf(hub: Hub): string[] {
  return [...hub.topics].sort();
}

Deno.test("what is published to a topic reaches those that have subscribed to it, once each", async () => {
  await using hub = new Hub();
  const { conns, peers } = await pairs(3);
  const [a, b, c] = conns as [WsConn, WsConn, WsConn];
  hub.subscribe(a, "news");
  hub.subscribe(a, "news");
  hub.subscribe(b, "news");
  hub.subscribe(b, "sport");
  assertEquals([hub.subscribers("news"), hub.subscribers("sport"), hub.subscribers("art")], [
    2,
    1,
    0,
  ]);
  assertEquals(topicsOf(hub), ["news", "sport"]);
  assertEquals(hub.publish("news", "1"), { ...none, sent: 2 });
  assertEquals(hub.publish("news", "2", { except: a }), { ...none, sent: 1 });
  assertEquals(hub.publish("sport", Uint8Array.of(3)), { ...none, sent: 1 });
  assertEquals(hub.publish("art", "4"), none);
  hub.unsubscribe(a, "news");
  hub.unsubscribe(a, "news");
  hub.unsubscribe(c, "news");
  hub.unsubscribe(c);
  assertEquals(hub.publish("news", "5"), { ...none, sent: 1 });
  hub.subscribe(a, "news");
  hub.subscribe(a, "");
  hub.unsubscribe(b); // from everything
  assertEquals(topicsOf(hub), ["", "news"]);
  assertEquals(hub.publish("", "6"), { ...none, sent: 1 });
  assertEquals(await received(conns, peers), [["1", "6"], ["1", "2", Uint8Array.of(3), "5"], []]);
  assertEquals(topicsOf(hub), []);
});

Deno.test("a connection that closes, is closed, fails or is lost is forgotten as soon as it is closed", async () => {
  const ways: Record<string, (conn: WsConn, peer: RawPeer) => unknown> = {
    "this side closes": (conn) => void conn.close(),
    "the peer closes": (_, peer) => peer.send(0x08),
    "the peer breaks the protocol": (_, peer) => peer.send(0x03),
    "the connection is lost": (_, peer) => peer[Symbol.dispose](),
    "its writable is aborted": (conn) => void conn.writable.abort().catch(() => {}),
  };
  await using hub = new Hub();
  for (const [way, end] of Object.entries(ways)) {
    const { conn, peer } = await RawPeer.against("client");
    for (let i = 0; i < 10; i++) hub.subscribe(conn, `${i}`);
    assertEquals(topicsOf(hub).length, 10);
    await end(conn, peer);
    while (!conn.closed) await conn.recv().catch(() => {});
    assertEquals(topicsOf(hub), [], way); // though TCP may not be closed yet
    assertEquals(hub.subscribers("1"), 0);
    hub.subscribe(conn, "late");
    assertEquals(topicsOf(hub), [], "a closed connection subscribes to nothing");
    assertEquals(hub.publish("1", "x"), none);
    peer[Symbol.dispose]();
    await conn.finished;
  }
});

Deno.test("nothing holds on to a connection that has closed, or unsubscribed", async () => {
  const hub = new Hub();
  // in a function of its own, whose variables are gone when it has returned
  const use = async (unsubscribes: boolean): Promise<WeakRef<WsConn>[]> => {
    const { conns, peers } = await pairs(5);
    for (const conn of conns) {
      for (let i = 0; i < 3; i++) hub.subscribe(conn, `${i}`);
      hub.publish("1", "hello");
      if (unsubscribes) hub.unsubscribe(conn);
    }
    await received(conns, peers);
    return conns.map((conn) => new WeakRef(conn));
  };
  const refs = [...await use(false), ...await use(true)];
  assertEquals(await alive(refs), 0);
  assertEquals(topicsOf(hub), []);
});

Deno.test("an open connection that has unsubscribed does not hold on to the hub", async () => {
  const { conns, peers } = await pairs(1);
  const use = () => {
    const hub = new Hub();
    hub.subscribe(conns[0]!, "news");
    hub.unsubscribe(conns[0]!, "news");
    return new WeakRef(hub);
  };
  assertEquals(await alive([use()]), 0);
  await received(conns, peers);
});

/** How many of them are left when all garbage has been collected. */
async function alive(refs: WeakRef<WeakKey>[]): Promise<number> {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  const left = () => refs.filter((ref) => ref.deref() !== undefined).length;
  for (let i = 0; i < 100 && left() > 0; i++) {
    await pause();
    gc();
  }
  return left();
}

Deno.test("slow consumers are skipped or closed as the hub was told, and closed ones forgotten", async () => {
  for (const slow of ["skip", "close"] as const) {
    await using hub = new Hub({ maxBuffered: 100_000, slow });
    const { conn, peer } = await RawPeer.against("client");
    hub.subscribe(conn, "news");
    const message = new Uint8Array(60_000);
    let result;
    do {
      result = hub.publish("news", message);
      await pause(0);
    } while (result.sent === 1);
    const expected = slow === "skip" ? { ...none, skipped: 1 } : { ...none, closed: 1 };
    assertEquals(result, expected);
    assertEquals(hub.subscribers("news"), slow === "skip" ? 1 : 0);
    peer[Symbol.dispose]();
    await conn.finished;
  }
});

Deno.test("options and messages that make no sense are refused", async () => {
  const wrong: [unknown, typeof Error, string][] = [
    [{ maxBuffered: -1 }, RangeError, "maxBuffered must be a number of bytes: current value is -1"],
    [{ slow: "wait" }, TypeError, 'slow must be "skip" or "close": current value is "wait"'],
  ];
  for (const [options, type, text] of wrong) {
    assertThrows(() => new Hub(options as HubOptions), type, text);
  }
  const bus = new MemoryExchange().connect();
  await using hub = new Hub({ bus });
  assertThrows(() => hub.publish("news", 1 as unknown as string), TypeError, "type Number");
  assertEquals(bus.log, [], "nor does the bus get them");
});

Deno.test("a hub that is disposed of forgets everybody, leaves them open, and takes nobody any more", async () => {
  const bus = new MemoryExchange().connect();
  const hub = new Hub({ bus });
  const { conns: [conn], peers: [peer] } = await pairs(1) as { conns: [WsConn]; peers: [WsConn] };
  hub.subscribe(conn, "news");
  await hub[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
  assertEquals(topicsOf(hub), []);
  hub.subscribe(conn, "news");
  assertEquals(topicsOf(hub), []);
  assertEquals(hub.publish("news", "x"), none);
  assertEquals(bus.log, ["subscribe news", "dispose"]);
  await conn.send("still open");
  assertEquals(await peer.recv(), "still open");
  await peer.close();
});

Deno.test("bus: what one hub publishes reaches the others' subscribers, and its own but once", async () => {
  const exchange = new MemoryExchange();
  const buses = [exchange.connect(), exchange.connect(), exchange.connect()];
  const hubs = buses.map((bus) => new Hub({ bus }));
  const [one, other, third] = hubs as [Hub, Hub, Hub];
  const { conns, peers } = await pairs(3);
  const [a, b, c] = conns as [WsConn, WsConn, WsConn];
  one.subscribe(a, "news");
  other.subscribe(b, "news");
  other.subscribe(c, "sport");
  await pause(0);
  const bytes = Buffer.of(1, 2, 3); // whose slice is no copy
  assertEquals(one.publish("news", bytes), { ...none, sent: 1 });
  bytes.fill(0); // it is the caller's again
  assertEquals(one.publish("news", "2", { except: a }), none);
  assertEquals(third.publish("news", "3"), none);
  assertEquals(third.publish("sport", "4"), none);
  await pause(0);
  const first = Uint8Array.of(1, 2, 3);
  assertEquals(await received(conns, peers), [[first, "3"], [first, "2", "3"], ["4"]]);
  for (const hub of hubs) await hub[Symbol.asyncDispose]();
});

Deno.test("bus: it subscribes with the first subscriber of a topic, and unsubscribes with the last", async () => {
  const bus = new MemoryExchange().connect();
  await using hub = new Hub({ bus });
  const { conns, peers } = await pairs(2);
  const [a, b] = conns as [WsConn, WsConn];
  const asked = async () => {
    await pause(0);
    return bus.log.splice(0);
  };
  hub.subscribe(a, "x");
  hub.subscribe(b, "x");
  hub.subscribe(b, "y");
  assertEquals(await asked(), ["subscribe x", "subscribe y"]);
  hub.unsubscribe(a, "x");
  assertEquals(await asked(), []);
  hub.unsubscribe(b);
  assertEquals(await asked(), ["unsubscribe x", "unsubscribe y"]);
  hub.subscribe(a, "x");
  await a.close();
  assertEquals(await asked(), ["subscribe x", "unsubscribe x"]);
  await received(conns, peers);
});

Deno.test("bus: subscribers that come and go while it is busy are followed one step at a time, to where they stand", async () => {
  const bus = new MemoryExchange().connect();
  const errors: unknown[] = [];
  await using hub = new Hub({ bus, onError: (error) => errors.push(error) });
  const { conns, peers } = await pairs(1);
  const [conn] = conns as [WsConn];
  // what is asked while the bus is busy, and what it does then
  const table: [string, string[]][] = [
    ["+", []],
    ["-", ["unsubscribe x", "subscribe x"]],
    ["-+", []],
    ["-+-", ["unsubscribe x", "subscribe x"]],
    ["+-+-+", []],
  ];
  for (const [steps, then] of table) {
    const { promise, resolve } = Promise.withResolvers<void>();
    bus.ready = promise;
    hub.subscribe(conn, "x");
    for (const step of steps) step === "+" ? hub.subscribe(conn, "x") : hub.unsubscribe(conn, "x");
    assertEquals(bus.log.splice(0), ["subscribe x"], "one at a time");
    bus.ready = Promise.resolve();
    resolve();
    await pause(0);
    hub.subscribe(conn, "x");
    await pause(0);
    assertEquals(bus.log.splice(0), then, steps);
    hub.unsubscribe(conn, "x");
    await pause(0);
    assertEquals(bus.log.splice(0), ["unsubscribe x"], steps);
  }
  // and whatever comes and goes, at any moment: the bus itself would complain of two at once
  bus.ready = pause(1);
  for (let i = 0; i < 200; i++) {
    hub[i % 3 === 0 ? "unsubscribe" : "subscribe"](conn, `${i % 7}`);
    if (i % 10 === 0) await pause(0);
  }
  hub.unsubscribe(conn);
  await pause();
  assertEquals(errors, []);
  for (let i = 0; i < 7; i++) {
    const last = bus.log.findLast((what) => what.endsWith(` ${i}`));
    assertEquals(last, `unsubscribe ${i}`);
  }
  await received(conns, peers);
});

Deno.test("bus: whatever it fails with goes to onError, and breaks nothing here", async () => {
  const bus = new MemoryExchange().connect();
  const errors: string[] = [];
  const hub = new Hub({
    bus,
    onError: (error) => {
      errors.push((error as Error).message);
    },
  });
  const { conns, peers } = await pairs(2);
  const [a, b] = conns as [WsConn, WsConn];
  const failure = Promise.reject(new Error("no bus today"));
  failure.catch(() => {});
  bus.ready = failure;
  hub.subscribe(a, "x");
  assertEquals(hub.publish("x", "1"), { ...none, sent: 1 });
  await pause(0);
  assertEquals(errors.splice(0), ["no bus today", "no bus today"]);
  bus.ready = Promise.resolve();
  hub.subscribe(b, "x"); // so it is tried again
  await pause(0);
  assertEquals(bus.log.splice(0), ["subscribe x", "publish x", "subscribe x"]);
  bus.receive("x", 5 as unknown as string); // whoever sent that
  bus.receive("x", "2");
  bus.ready = failure;
  hub.unsubscribe(b);
  hub.unsubscribe(a);
  await pause(0);
  assertEquals(errors.splice(0), [
    "Cannot broadcast a message of type Number: it must be a string or a Uint8Array",
    "no bus today",
  ]);
  await hub[Symbol.asyncDispose]();
  assertEquals(errors, ["no bus today"]);
  assertEquals(await received(conns, peers), [["1", "2"], ["2"]]);
});

Deno.test("bus: what is still asked of it when it is disposed of is followed by nothing more", async () => {
  const bus = new MemoryExchange().connect();
  const hub = new Hub({ bus });
  const { conns, peers } = await pairs(1);
  bus.ready = pause(1);
  hub.subscribe(conns[0]!, "x");
  await hub[Symbol.asyncDispose]();
  await pause(0);
  assertEquals(bus.log, ["subscribe x", "dispose"]);
  await received(conns, peers);
});
