import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertRejects,
} from "@std/assert";
import { toText } from "@std/streams";
import { isOpenWsConn, isWsConn, type WsConn, WsConnectionClosed, type WsMessage } from "../mod.ts";
import { encodeClose, Opcode } from "../framing/mod.ts";
import { randomBytes, seeded } from "./helpers/bytes.ts";
import { pair, RawPeer } from "./helpers/sockets.ts";

/** Closes both ends, and waits until nothing of them is left. */
async function finish(...conns: WsConn[]): Promise<void> {
  await Promise.all(conns.map((conn) => conn.close()));
}

Deno.test("text and binary of every length go both ways, in order", async () => {
  const { server, client } = await pair({ maxMessageSize: 1 << 25 }, { maxMessageSize: 1 << 25 });
  const random = seeded(40);
  const messages: WsMessage[] = [];
  for (const length of [0, 1, 125, 126, 65535, 65536, 1 << 20, 1 << 24]) {
    messages.push(randomBytes(random, Math.min(length, 70_000)), "x".repeat(length));
    messages.push(new Uint8Array(length).fill(length), "é".repeat(length >> 1));
  }
  for (const [from, to] of [[client, server], [server, client]] as const) {
    const sending = (async () => {
      for (const message of messages) await from.send(message);
    })();
    for (const message of messages) {
      const received = await to.recv();
      assert(typeof received === typeof message);
      // assertEquals would take minutes over 16 MiB
      assertEquals(received!.length, message.length);
      assert(
        typeof received === "string"
          ? received === message
          : received!.every((byte, at) => byte === message[at]),
      );
    }
    await sending;
  }
  await finish(client, server);
});

Deno.test("messages sent before the end are received before null", async () => {
  const { server, client } = await pair();
  for (let i = 0; i < 1000; i++) void client.send(`${i}`);
  const closed = client.send("last").then(() => client.close(4000, "done"));
  const received = await Array.fromAsync(server);
  assertEquals(received.length, 1001);
  assertEquals(received.at(-1), "last");
  assertEquals(await server.recv(), null);
  assertEquals(await server.finished, { code: 4000, reason: "done", wasClean: true });
  assertEquals(await closed, { code: 4000, reason: "done", wasClean: true });
});

Deno.test("many recv at once are answered in order", async () => {
  const { server, client } = await pair();
  const received = Promise.all(Array.from({ length: 10 }, () => server.recv()));
  for (let i = 0; i < 10; i++) await client.send(`${i}`);
  assertEquals((await received).join(""), "0123456789");
  await finish(client, server);
});

Deno.test("ready() waits for a message or the end, and takes nothing", async () => {
  const { server, client } = await pair();
  let isReady = false;
  const ready = server.ready().then(() => isReady = true);
  const both = server.ready();
  assertEquals(await client.ping().then(() => isReady), false);
  await client.send("");
  await Promise.all([ready, both]);
  await server.ready();
  assertEquals(await server.recv(), "");
  const end = server.ready();
  await finish(client, server);
  await end;
  await server.ready();
  assertEquals(await server.recv(), null);
});

Deno.test("each message comes once and in order, whoever takes it", async () => {
  for (const seed of [1, 2, 3]) {
    const random = seeded(seed);
    const { server, client } = await pair();
    const texts = Array.from({ length: 600 }, (_, i) => `${i}`);
    const sending = (async () => {
      for (const text of texts) {
        void client.send(text);
        if (random(30) === 0) await client.ping(); // what is sent in between arrives together
      }
    })();
    const iterator = server[Symbol.asyncIterator]();
    const takers: (() => Promise<(string | null | undefined)[]>)[] = [
      async () => [await server.recv() as string | null],
      async () => await Promise.all([server.recv(), server.recv()]) as (string | null)[],
      async () => [(await iterator.next()).value as string | undefined],
      async () => {
        const stream = await server.recvStream();
        return [stream === null ? null : await toText(stream)];
      },
      async () => {
        await server.ready();
        const reader = server.readable.getReader();
        const { value } = await reader.read();
        reader.releaseLock();
        return [value as string | undefined];
      },
    ];
    const received: (string | null | undefined)[] = [];
    while (received.length < texts.length) {
      // somebody else reads the stream only after a while
      const taker = random(received.length < 300 ? takers.length - 1 : takers.length);
      if (taker !== 1 || received.length < texts.length - 1) {
        received.push(...await takers[taker]!());
      }
    }
    assertEquals(received, texts);
    await sending;
    await finish(client, server);
    for (const take of takers.slice(0, -1)) {
      assert((await take()).every((taken) => taken === null || taken === undefined));
    }
  }
});

Deno.test("readable and writable are the streams that recv and send use, one at a time", async () => {
  const { server, client } = await pair();
  await client.send("one");
  assertEquals(await server.recv(), "one");
  const reader = server.readable.getReader();
  await assertRejects(() => server.recv(), TypeError);
  await client.send("two");
  assertEquals(await reader.read(), { value: "two", done: false });
  reader.releaseLock();
  await client.send("three");
  assertEquals(await server.recv(), "three");

  const pending = server.recv();
  assert(server.readable.locked, "a recv that waits keeps the lock");
  await client.send("four");
  assertEquals(await pending, "four");
  assert(!server.readable.locked);

  const writer = client.writable.getWriter();
  await assertRejects(() => client.send("no"), TypeError);
  await writer.write("five");
  writer.releaseLock();
  await client.send("six");
  assertEquals([await server.recv(), await server.recv()], ["five", "six"]);
  await finish(client, server);
});

Deno.test("piping: an echo of streams, collected with @std/streams", async () => {
  const { server, client } = await pair();
  const echo = assertRejects(
    () => server.readable.pipeTo(server.writable),
    WsConnectionClosed, // as that of a WebSocketStream does: writable cannot be closed any more
  );
  await client.send("a");
  await client.send("é");
  assertEquals([await client.recv(), await client.recv()], ["a", "é"]);
  await client.close();
  await echo;
  const other = await pair();
  const text = toText(other.server.readable as ReadableStream<string>);
  for (const part of ["to", "ge", "ther"]) await other.client.send(part);
  await finish(other.client);
  assertEquals(await text, "together");
});

Deno.test("closing writable closes with 1000, aborting it with 1011, cancelling readable with 1000", async () => {
  const closing = await pair();
  await closing.client.writable.close();
  assertEquals(await closing.server.finished, { code: 1000, reason: "", wasClean: true });
  const aborting = await pair();
  await aborting.client.writable.abort("reason");
  assertEquals((await aborting.server.finished).code, 1011);
  const cancelling = await pair();
  await cancelling.client.send("sent before");
  await cancelling.client.readable.cancel();
  assertEquals(await cancelling.server.recv(), "sent before");
  assertEquals(await cancelling.server.recv(), null);
  assertEquals((await cancelling.server.finished).code, 1000);
});

Deno.test("ping gives the round-trip time; one Pong answers the Pings before it", async () => {
  const { server, client } = await pair();
  for (const conn of [server, client]) {
    const times = await Promise.all([conn.ping(), conn.ping(), conn.ping()]);
    for (const time of times) assert(time > 0 && time < 5000, `${time} ms`);
  }
  await finish(client, server);
  await assertRejects(() => client.ping(), WsConnectionClosed);

  const { peer, conn } = await RawPeer.against("client");
  const pings = [conn.ping(), conn.ping(), conn.ping()];
  await peer.next();
  const [, second] = (await peer.next())!;
  await peer.send(Opcode.Pong, "unsolicited");
  await peer.send(Opcode.Pong, second);
  await Promise.all(pings.slice(0, 2));
  peer.conn.close();
  await assertRejects(() => pings[2]!, WsConnectionClosed);
  await conn.finished;
});

Deno.test("sending anything but strings and Uint8Arrays is a TypeError, and harms nothing", async () => {
  const { server, client } = await pair();
  // deno-lint-ignore no-explicit-any
  const send = (message: any) => client.send(message);
  for (const wrong of [undefined, null, 42, {}, new Blob([]), new ArrayBuffer(1), ["x"]]) {
    await assertRejects(() => send(wrong), TypeError, "it must be a string or a Uint8Array");
  }
  await client.send("fine");
  assertEquals(await server.recv(), "fine");
  await finish(client, server);
});

Deno.test("type guards", async () => {
  const { server, client } = await pair();
  assert(isWsConn(server) && isOpenWsConn(client));
  await finish(client, server);
  assert(isWsConn(server) && client.closed);
  assert(!isOpenWsConn(client));
  for (const x of [undefined, null, {}, "conn"]) assert(!isWsConn(x) && !isOpenWsConn(x));
});

Deno.test("await using closes with 1000", async () => {
  const { server, client } = await pair();
  {
    await using conn = client;
    assertEquals(conn.closed, false);
  }
  assertEquals(await server.finished, { code: 1000, reason: "", wasClean: true });
});

// Back-pressure

Deno.test("a peer that does not read: send waits, and memory stays bounded", async () => {
  const { peer, conn } = await RawPeer.against("client");
  const message = new Uint8Array(100_000);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 10_000; sent++) await conn.send(message);
  })();
  sending.catch(() => {});
  // the kernel takes what its buffers hold; then nothing moves until the peer reads
  for (let before = -1; before !== sent;) {
    before = sent;
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setTimeout(done, 5));
  }
  assertLess(sent, 1000, "1 GB cannot have been taken");
  assertLess(conn.bufferedAmount, 2 * message.length);
  assertGreater(conn.bufferedAmount, 0);
  const before = sent;
  await peer.next();
  for (let i = 0; i < 200; i++) await peer.next();
  assertGreater(sent, before);
  peer.conn.close();
  await assertRejects(() => sending, WsConnectionClosed);
  await conn.finished;
});

Deno.test("a reader that stops: the connection stops reading, and TCP holds the peer back", async () => {
  const { peer, conn } = await RawPeer.against("client");
  const frame = peer.frame(Opcode.Binary, new Uint8Array(10_000));
  let written = 0;
  const writing = (async () => {
    for (; written < 10_000; written++) await peer.write(frame);
  })();
  for (let before = -1; before !== written;) {
    before = written;
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setTimeout(done, 5));
  }
  assertLess(written, 5000, "100 MB cannot have been taken");
  for (let i = 0; i < 10_000; i++) assertEquals((await conn.recv())!.length, 10_000);
  await writing;
  const closed = conn.close();
  await peer.next();
  await peer.send(Opcode.Close, encodeClose(1000));
  await closed;
  peer[Symbol.dispose]();
});

Deno.test("closing while the reader has stopped does not wait for it", async () => {
  const { peer, conn } = await RawPeer.against("client");
  const flood = (async () => {
    for (let i = 0; i < 1000; i++) await peer.send(Opcode.Binary, new Uint8Array(10_000));
    await peer.send(Opcode.Close, encodeClose(1000));
  })();
  await conn.ready();
  assertEquals(await conn.close(), { code: 1000, reason: "", wasClean: true });
  await flood;
  peer[Symbol.dispose]();
});

Deno.test("a send that waits is refused when the connection ends, one that nobody awaits is not", async () => {
  const { peer, conn } = await RawPeer.against("client", { closeTimeout: 0.05 });
  const sends = Array.from({ length: 300 }, () => conn.send(new Uint8Array(100_000)));
  await sends[0];
  void conn.close();
  const results = await Promise.allSettled(sends);
  const refused = results.filter((result) => result.status === "rejected");
  assertGreater(refused.length, 100);
  for (const { reason } of refused) assertInstanceOf(reason, WsConnectionClosed);
  assertEquals(conn.bufferedAmount, 0);
  peer[Symbol.dispose]();
});

Deno.test("sends that nobody awaits do not end the program when the peer goes away, whatever they wait for", async () => {
  for (const size of [10, 100_000]) { // most have been framed; only a few have
    for (const text of [false, true]) {
      const { peer, conn } = await RawPeer.against("client");
      const message = text ? "x".repeat(size) : new Uint8Array(size);
      for (let i = 0; i < 200; i++) void conn.send(message);
      await new Promise((resolve) => setTimeout(resolve)); // until the stream has started
      for (let i = 0; i < 200; i++) void conn.send(message);
      peer[Symbol.dispose]();
      await conn.finished;
      await new Promise((resolve) => setTimeout(resolve)); // an unhandled rejection would fail the test here
    }
  }
});

Deno.test("what is sent on a connection that has closed, and nobody awaits, does not end the program", async () => {
  const { server, client } = await pair();
  await finish(client, server);
  void client.send("too late");
  void client.sendStream(ReadableStream.from([new Uint8Array(1)]), { type: "binary" });
  void client.ping();
  await new Promise((resolve) => setTimeout(resolve)); // an unhandled rejection would fail the test here
  for (
    const late of [
      client.send("too late"),
      client.sendStream(ReadableStream.from(["late"]), { type: "text" }),
      client.ping(),
    ]
  ) {
    await assertRejects(() => late, WsConnectionClosed);
  }
});

Deno.test("pings are answered while messages wait unread", async () => {
  const { server, client } = await pair();
  await client.send("unread");
  assertGreater(await client.ping(), 0);
  assertEquals(await server.recv(), "unread");
  await finish(client, server);
});

Deno.test("bytes can be changed as soon as send has resolved", async () => {
  const { server, client } = await pair();
  for (const [from, to] of [[client, server], [server, client]] as const) {
    for (const length of [10, 1000, 40_000, 3_000_000]) {
      const bytes = new Uint8Array(length).fill(1);
      const received = to.recv();
      await from.send(bytes);
      bytes.fill(2);
      assert((await received as Uint8Array).every((byte) => byte === 1), `${length} bytes`);
    }
  }
  await finish(client, server);
});

Deno.test("messages that come with the handshake are received", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { wsConnect } = await import("../mod.ts");
  const frames = Uint8Array.of(0x81, 2, 104, 105, 0x82, 1, 7, 0x88, 2, 3, 232);
  const [peer, conn] = await Promise.all([
    RawPeer.accept(listener, frames),
    wsConnect(`ws://127.0.0.1:${listener.addr.port}/`),
  ]);
  assertEquals(await Array.fromAsync(conn), ["hi", Uint8Array.of(7)]);
  assertEquals(await peer.next(), [0x88, encodeClose(1000)]);
  peer.conn.close();
  assertEquals(await conn.finished, { code: 1000, reason: "", wasClean: true });
});

Deno.test("a new WsConn knows where it is connected", async () => {
  const { server, client } = await pair();
  assertEquals(server.remoteAddr, client.localAddr);
  assertEquals(server.localAddr, client.remoteAddr);
  assertEquals(server.line, "GET / HTTP/1.1");
  assertEquals(client.line, "HTTP/1.1 101 Switching Protocols");
  assertEquals([server.protocol, server.extensions, client.protocol], ["", "", ""]);
  await finish(client, server);
});

// What close() used to drop: only the first of a burst had reached the sink when the stream was ended.
Deno.test("what was sent before close goes out before the Close, awaited or not", async () => {
  const many = Array.from({ length: 50 }, (_, i) => `${i}`);
  const big = ["x".repeat(300_000), "y".repeat(300_000), "z"];
  for (const messages of [["a", "b", "c"], many, big]) {
    const { server, client } = await pair();
    const sends = messages.map((message) => client.send(message));
    const closed = client.close(4000);
    await assertRejects(() => client.send("too late"), WsConnectionClosed);
    assertEquals(await Array.fromAsync(server), messages);
    await Promise.all(sends);
    assertEquals((await closed).wasClean, true);
  }
});

Deno.test("aborting writable closes at once, even if the peer does not read", async () => {
  const { peer, conn } = await RawPeer.against("client", { closeTimeout: 0.05 });
  const writer = conn.writable.getWriter();
  const writes = [writer.write(new Uint8Array(30_000_000)), writer.write("never")];
  const aborted = writer.abort(new Error("reason"));
  assert(conn.closed);
  for (const write of writes) await assertRejects(() => write);
  await aborted;
  assertEquals((await conn.finished).code, 1006);
  peer[Symbol.dispose]();
});

Deno.test("a wrong type written to writable is refused, and ends the connection with 1011", async () => {
  const { server, client } = await pair();
  const writer = client.writable.getWriter() as unknown as WritableStreamDefaultWriter<unknown>;
  void writer.write("before");
  await assertRejects(() => writer.write(new ArrayBuffer(3)), TypeError, "of type ArrayBuffer");
  assertEquals(await server.recv(), "before");
  assertEquals((await server.finished).code, 1011);
  assertEquals(client.bufferedAmount, 0);
  await client.finished;
});

Deno.test("writable, asked for only after the end, is one that has failed: aborting it is nothing to fail", async () => {
  const { server, client } = await pair();
  await finish(server, client);
  assertEquals(await client.writable.abort(), undefined);
  await assertRejects(() => client.writable.close(), TypeError);
  const writer = client.writable.getWriter();
  assertEquals(writer.desiredSize, null);
  await assertRejects(() => writer.write("late"), WsConnectionClosed);
});
