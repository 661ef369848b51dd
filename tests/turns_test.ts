/** What comes in one read, or waits together: each part has its turn, and what ends the connection comes last. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { concat } from "@std/bytes";
import { toBytes } from "@std/streams/unstable-to-bytes";
import { toText } from "@std/streams";
import { WsConn } from "../conn.ts";
import { encodeClose, encodeFrame, Opcode, Rfc6455Protocol } from "../framing/mod.ts";
import { IncomingMessage } from "../message_stream.ts";
import { connLimits } from "../options.ts";
import { WsConnectionLost } from "../mod.ts";
import { pair, type RawPeer } from "./helpers/sockets.ts";
import { against, byHand, closeCode, deflate, pattern, ROLES } from "./streams/helpers.ts";
import { bytesOf } from "./helpers/bytes.ts";

/** The first bytes of all frames up to the Close. */
async function firsts(peer: RawPeer): Promise<number[]> {
  const seen = [];
  for (let frame; (frame = await peer.next()) !== null;) {
    seen.push(frame[0]);
    if (frame[0] === 0x88) break;
  }
  return seen;
}

async function over(peer: RawPeer, conn: WsConn): Promise<void> {
  peer.conn.close();
  await conn.finished;
}

for (const role of ROLES) {
  const ends = (peer: RawPeer): [string, Uint8Array][] => [
    ["a Close", peer.frame(Opcode.Close, encodeClose(1000))],
    ["a violation", peer.frame(Opcode.Text, Uint8Array.of(0xff))],
  ];

  Deno.test(`${role}: a recv that finds its message settles behind one that has waited for the message before`, async () => {
    const { peer, conn } = await against(role);
    const order: unknown[] = [];
    const one = conn.recv().then((message) => order.push(message));
    const pong = conn.ping();
    const [, payload] = (await peer.next())!;
    // the Pong comes first, so what it wakes runs before what the first message wakes
    await peer.write(concat([
      peer.frame(Opcode.Pong, payload),
      peer.frame(Opcode.Text, "one"),
      peer.frame(Opcode.Text, "two"),
    ]));
    await pong;
    await Promise.all([one, conn.recv().then((message) => order.push(message))]);
    assertEquals(order, ["one", "two"]);
    await over(peer, conn);
  });

  Deno.test(`${role}: behind messages that waited, calls that do not wait for each other are told of a loss`, async () => {
    for (const look of ["readable", "ready"] as const) {
      const { peer, conn } = await against(role);
      await peer.write(concat([peer.frame(Opcode.Text, "one"), peer.frame(Opcode.Text, "two")]));
      await over(peer, conn);
      const calls = [conn.recv(), conn.recv(), ...look === "ready" ? [] : [conn.recv()]];
      if (look === "ready") await conn.ready();
      const lost = look === "ready" ? conn.recv() : calls.pop()!;
      const { readable } = conn;
      await assertRejects(() => lost, WsConnectionLost);
      assertEquals(await Promise.all(calls), ["one", "two"]);
      assert(!readable.locked);
    }
  });

  Deno.test(`${role}: ready() right after a recv, with the end behind its message, resolves`, async () => {
    for (const which of [0, 1]) {
      const { peer, conn } = await against(role);
      const app = conn.recv().then(() => conn.ready());
      await peer.write(concat([peer.frame(Opcode.Text, "hello"), ends(peer)[which]![1]]));
      await app;
      await over(peer, conn);
    }
  });

  Deno.test(`${role}: recvStream takes a message of any length that came together with one for recv`, async () => {
    const { peer, conn } = await against(role, { maxMessageSize: 1000 });
    const app = conn.recv().then(() => conn.recvStream());
    await peer.write(
      concat([peer.frame(Opcode.Text, "header"), peer.frame(Opcode.Binary, pattern(5000))]),
    );
    assertEquals(await toBytes((await app)!), pattern(5000));
    await over(peer, conn);
  });

  Deno.test(`${role}: a streamed message is answered before the end that came with it`, async () => {
    for (const which of [0, 1]) {
      const { peer, conn } = await against(role);
      const app = conn.recvStream().then(async (stream) => conn.send(await toText(stream!)));
      await peer.write(concat([peer.frame(Opcode.Text, "hello"), ends(peer)[which]![1]]));
      assertEquals(await firsts(peer), [0x81, 0x88], ends(peer)[which]![0]);
      await app;
      await over(peer, conn);
    }
  });

  Deno.test(`${role}: a Close behind a message that waited to be asked for is answered`, async () => {
    const { peer, conn } = await against(role, { maxMessageSize: 100 });
    await peer.write(concat([peer.frame(Opcode.Binary, pattern(200)), ends(peer)[0]![1]]));
    await conn.ready();
    assertEquals((await toBytes((await conn.recvStream())!)).length, 200);
    assertEquals(await closeCode(peer), 1000);
    assertEquals(await conn.recv(), null);
    await over(peer, conn);
  });

  Deno.test(`${role}: compressed messages are answered before a violation in the same read`, async () => {
    const good = bytesOf("hello");
    for (const bad of [Uint8Array.of(0xff, 0xff), deflate(Uint8Array.of(0xff, 0xff))]) {
      const { peer, conn } = await against(role, { compression: true });
      const app = assertRejects(async () => {
        for await (const message of conn) await conn.send(message);
      });
      const frames = [deflate(good), deflate(good), deflate(good), bad];
      await peer.write(
        concat(frames.map((payload) => peer.frame(Opcode.Text, payload, { rsv1: true }))),
      );
      assertEquals(await firsts(peer), [0x81, 0x81, 0x81, 0x88]);
      await app;
      await over(peer, conn);
    }
  });

  Deno.test(`${role}: a limited recvStream that close() overtakes refuses nothing any more`, async () => {
    const { peer, conn } = await against(role);
    const { source, give, controller } = byHand();
    const sent = conn.sendStream(source, { type: "text" });
    give("one ");
    const received = conn.recvStream({ maxMessageSize: 10 });
    assertEquals((await peer.next())?.[0], 0x01);
    const closed = conn.close(4000);
    await peer.write(concat([peer.frame(Opcode.Text, "x".repeat(100)), peer.frame(Opcode.Ping)]));
    assertEquals((await peer.next())?.[0], 0x8a, "what is too long for it has been passed over");
    give("two");
    controller.close();
    assertEquals(await firsts(peer), [0x00, 0x80, 0x88]);
    await sent;
    assertEquals(await received, null);
    await peer.send(Opcode.Close, encodeClose(4000));
    peer.conn.close();
    assertEquals((await closed).code, 4000);
  });
}

Deno.test("a stray write behind the end of writable holds the Close up no longer than need be", async () => {
  const { server, client } = await pair({ closeTimeout: 60 }, { closeTimeout: 60 });
  const writer = client.writable.getWriter();
  const writes = [writer.write("a"), writer.close(), writer.write("b")];
  await Promise.allSettled(writes);
  assertEquals(await client.finished, { code: 1000, reason: "", wasClean: true });
  assertEquals([await server.recv(), await server.recv()], ["a", null]);
});

Deno.test("recvStream refuses a maxMessageSize that is no number of bytes", async () => {
  const { server, client } = await pair();
  for (const maxMessageSize of [NaN, -1]) {
    await assertRejects(() => client.recvStream({ maxMessageSize }), RangeError, "maxMessageSize");
  }
  await Promise.all([client.close(), server.close()]);
});

Deno.test("a stream that is not read wants few pieces of a byte: they weigh more than that", async () => {
  const message = new IncomingMessage(Infinity, { readOn: () => {}, ended: () => {} });
  message.begin("binary");
  let pieces = 1;
  while (message.push(Uint8Array.of(0))) pieces++;
  assertLess(pieces, 300);
  message.end();
  assertEquals((await toBytes((await message.begun)!)).length, pieces);
});

/** How many messages leave with each write of a connection that echoes `count` that came with one read. */
async function echoedParts(count: number): Promise<number[]> {
  const writes: number[] = [];
  const frame = encodeFrame(Opcode.Text, Uint8Array.of(0x61), { maskKey: 0 });
  const arrived = concat(new Array<Uint8Array>(count).fill(frame));
  const reads = [arrived];
  const transport = {
    read: (into: Uint8Array) => {
      const bytes = reads.pop();
      into.set(bytes ?? []);
      return Promise.resolve(bytes?.length ?? null);
    },
    write: (bytes: Uint8Array) => Promise.resolve(writes.push(bytes.length / 3) && bytes.length),
    close: () => {},
  };
  const conn = new WsConn(transport as unknown as Deno.Conn, {
    line: "",
    headers: new Headers(),
    url: new URL("ws://localhost/"),
    protocol: "",
    extensions: "",
    rest: new Uint8Array(0),
    framing: (events) => new Rfc6455Protocol("server", events, { maxMessageSize: 1 }),
  }, connLimits({}));
  await assertRejects(async () => {
    for await (const message of conn) await conn.send(message);
  }, WsConnectionLost);
  return writes;
}

Deno.test("the answers to what came in one read leave in one write; those of a long run in parts, each longer", async () => {
  const cases = [
    { count: 1, alone: [1], together: [1] },
    { count: 15, alone: [15], together: [15] },
    { count: 31, alone: [16, 15], together: [31] },
    { count: 100, alone: [16, 32, 52], together: [32, 64, 4] },
  ];
  for (const { count, alone, together } of cases) {
    assertEquals(await echoedParts(count), alone);
    assertEquals(await Promise.all([echoedParts(count), echoedParts(count)]), [together, together]);
  }
});
