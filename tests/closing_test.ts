/** Every way in which a connection ends (RFC 6455 §7), in both roles. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { concat } from "@std/bytes";
import { type WsConn, WsConnectionClosed, WsConnectionLost, WsProtocolError } from "../mod.ts";
import { encodeClose, Opcode } from "../framing/mod.ts";
import { pair, RawPeer } from "./helpers/sockets.ts";

/** Closes both ends, and waits until nothing of them is left. */
async function finish(...conns: WsConn[]): Promise<void> {
  await Promise.all(conns.map((conn) => conn.close()));
}

const ROLES = ["server", "client"] as const;
const peerOf = (role: "server" | "client") => role === "server" ? "client" : "server";
const LARGE = new Uint8Array(4_000_000);

for (const role of ROLES) {
  Deno.test(`${role}: closes with code and reason; both sides tell the same story (RFC 6455 §7)`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    const closed = conn.close(4321, "why");
    assert(conn.closed);
    assertEquals(await peer.next(), [0x88, encodeClose(4321, "why")]);
    await peer.send(Opcode.Text, "too late");
    await peer.send(Opcode.Close, encodeClose(4321));
    if (role === "client") peer.conn.close(); // §7.1.1: the client waits for the server to do so
    else await peer.end();
    assertEquals(await closed, { code: 4321, reason: "", wasClean: true });
    assertEquals(await conn.recv(), null);
    const error = await assertRejects(() => conn.send("x"), WsConnectionClosed, "Cannot send");
    assertInstanceOf(error, WsConnectionClosed);
    assertStrictEquals(await conn.close(), await conn.finished);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: answers a Close that stands behind unread messages, and keeps these`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.send(Opcode.Text, "one");
    await peer.send(Opcode.Text, "two");
    await peer.send(Opcode.Close, encodeClose(1001, "leaving"));
    assertEquals(await peer.next(), [0x88, encodeClose(1001, "leaving")]);
    if (role === "client") peer.conn.close();
    assertEquals(await conn.finished, { code: 1001, reason: "leaving", wasClean: true });
    assertEquals([await conn.recv(), await conn.recv(), await conn.recv()], ["one", "two", null]);
    const error = await assertRejects(() => conn.send("x"), WsConnectionClosed);
    assertEquals(error.message, 'Cannot send: the connection is closed (1001 "leaving")');
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a peer that never answers the Close is left after closeTimeout`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role), { closeTimeout: 0.05 });
    assertEquals(await conn.close(), { code: 1006, reason: "", wasClean: false });
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a peer that answers the Close but keeps TCP open is left after closeTimeout`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role), { closeTimeout: 0.05 });
    const closed = conn.close();
    await peer.send(Opcode.Close, encodeClose(1000));
    assertEquals(await closed, { code: 1000, reason: "", wasClean: true });
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a peer that keeps sending after our Close is left after closeTimeout`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role), { closeTimeout: 0.1 });
    const closed = conn.close();
    const flood = peer.frame(Opcode.Binary, new Uint8Array(100_000));
    await assertRejects(async () => {
      for (;;) await peer.write(flood);
    });
    assertEquals((await closed).code, 1006);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a connection lost gives the messages before, then WsConnectionLost`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.send(Opcode.Text, "one");
    await peer.send(Opcode.Text, "two");
    await conn.ready();
    peer.conn.close();
    assertEquals(await conn.finished, { code: 1006, reason: "", wasClean: false });
    assertEquals([await conn.recv(), await conn.recv()], ["one", "two"]);
    await conn.ready();
    await assertRejects(() => conn.recv(), WsConnectionLost, "without a Close frame");
    await assertRejects(() => conn.recv(), WsConnectionLost);
    await assertRejects(() => conn.send("x"), WsConnectionClosed);
  });

  Deno.test(`${role}: a recv that waits is told of the loss`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    const waiting = conn.recv();
    peer.conn.close();
    await assertRejects(() => waiting, WsConnectionLost);
    await conn.finished;
  });

  Deno.test(`${role}: a half-closed peer is a lost one`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.conn.closeWrite();
    await assertRejects(() => conn.recv(), WsConnectionLost);
    assertEquals((await conn.finished).code, 1006);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a protocol error is answered, and told behind the messages before it`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.write(peer.frame(Opcode.Text, "one"));
    await peer.write(peer.frame(3, "x"));
    const [first, payload] = (await peer.next())!;
    assertEquals([first, payload[0]! << 8 | payload[1]!], [0x88, 1002]);
    assertEquals(await peer.next(), null); // no more will come
    assertEquals(await conn.recv(), "one");
    const error = await assertRejects(() => conn.recv(), WsProtocolError, "Opcode 3 is reserved");
    assertEquals(error.closeCode, 1002);
    peer.conn.close();
    assertEquals(await conn.finished, { code: 1006, reason: "", wasClean: false });
  });

  Deno.test(`${role}: our Close reaches a peer that is still sending when it breaks the protocol`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role), { maxMessageSize: 1000 });
    const received = assertRejects(() => conn.recv(), WsProtocolError, "at most 1000");
    await peer.write(peer.frame(Opcode.Binary, new Uint8Array(5_000_000)));
    const [first, payload] = (await peer.next())!;
    assertEquals([first, payload[0]! << 8 | payload[1]!], [0x88, 1009]);
    peer.conn.close();
    await conn.finished;
    await received;
  });
}

for (const role of ["server", "client"] as const) {
  Deno.test(`${role}: close() gets past a message that waits to be asked for`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role), { maxMessageSize: 1000 });
    await peer.write(peer.frame(Opcode.Binary, new Uint8Array(1001)));
    await peer.write(peer.frame(Opcode.Close, Uint8Array.of(0x0f, 0xa0)));
    await conn.ready();
    const closing = conn.close(4001);
    const [first, payload] = (await peer.next())!;
    assertEquals([first, payload], [0x88, Uint8Array.of(0x0f, 0xa1)]);
    if (role === "client") peer.conn.close();
    assertEquals(await closing, { code: 4000, reason: "", wasClean: true });
    if (role === "server") peer.conn.close();
  });
}

Deno.test("both close at once: each gets the other's code", async () => {
  const { server, client } = await pair();
  const infos = await Promise.all([server.close(4001), client.close(4002)]);
  assertEquals(infos.map((info) => info.code), [4002, 4001]);
  assert(infos.every((info) => info.wasClean));
});

Deno.test("wrong codes and reasons are RangeErrors and close nothing", async () => {
  const { server, client } = await pair();
  await assertRejects(() => client.close(1006), RangeError, "reserved");
  await assertRejects(() => client.close(2000), RangeError);
  await assertRejects(() => client.close(1000, "x".repeat(124)), RangeError, "124 bytes");
  await client.send("still open");
  assertEquals(await server.recv(), "still open");
  await finish(client, server);
  await assertRejects(() => client.close(5), RangeError);
});

for (const role of ROLES) {
  Deno.test(`${role}: a Close without a code is answered by one, and is 1005 (§7.1.5)`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.send(Opcode.Close);
    assertEquals(await peer.next(), [0x88, new Uint8Array(0)]);
    if (role === "client") peer.conn.close();
    assertEquals(await conn.finished, { code: 1005, reason: "", wasClean: true });
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a peer that ends TCP right behind its Close gets ours all the same`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.send(Opcode.Close, encodeClose(1001));
    await peer.conn.closeWrite();
    assertEquals(await peer.next(), [0x88, encodeClose(1001)]);
    assertEquals(await peer.next(), null);
    assertEquals(await conn.finished, { code: 1001, reason: "", wasClean: true });
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a peer that ends its half of TCP behind a violation gets the echo and the Close`, async () => {
    for (let round = 0; round < 50; round++) { // the end could overtake what is being written
      const { peer, conn } = await RawPeer.against(peerOf(role));
      const echo = assertRejects(async () => {
        for await (const message of conn) await conn.send(message);
      }, WsProtocolError);
      await peer.write(concat([peer.frame(Opcode.Text, "echo"), peer.frame(3)]));
      await peer.conn.closeWrite();
      assertEquals((await peer.next())?.[0], 0x81);
      const [first, payload] = (await peer.next())!;
      assertEquals([first, payload[0]! << 8 | payload[1]!], [0x88, 1002]);
      assertEquals(await peer.next(), null);
      await echo;
      await conn.finished;
      peer[Symbol.dispose]();
    }
  });

  Deno.test(`${role}: a peer that half-closes behind messages loses none of them`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.send(Opcode.Text, "one");
    await peer.send(Opcode.Text, "half a message", { fin: false });
    await peer.conn.closeWrite();
    assertEquals(await conn.recv(), "one");
    await assertRejects(() => conn.recv(), WsConnectionLost);
    assertEquals((await conn.finished).code, 1006);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a peer that resets the connection is a loss`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    const received = conn.recv();
    await conn.send("left unread");
    await peer.conn.read(new Uint8Array(1));
    peer.conn.close(); // with bytes unread, which TCP answers with a reset
    await assertRejects(() => received, WsConnectionLost);
    assertEquals(await conn.finished, { code: 1006, reason: "", wasClean: false });
  });

  Deno.test(`${role}: a reset while a send waits refuses the send`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    await peer.send(Opcode.Text, "unread");
    const sending = conn.send(LARGE).then(() => conn.send(LARGE));
    await peer.conn.read(new Uint8Array(1));
    peer.conn.close();
    await assertRejects(() => sending, WsConnectionClosed);
    assertEquals((await conn.finished).code, 1006);
    assertEquals(await conn.recv(), "unread");
    await assertRejects(() => conn.recv(), WsConnectionLost);
  });

  Deno.test(`${role}: close() while a send waits goes out behind it, when the peer reads at last`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    const sending = conn.send(LARGE);
    const behind = conn.send("behind");
    const closed = conn.close(4000);
    const frames = [await peer.next(), await peer.next(), await peer.next()];
    assertEquals(frames.map((frame) => [frame?.[0], frame?.[1].length]), [
      [0x82, LARGE.length],
      [0x81, 6],
      [0x88, 2],
    ]);
    await Promise.all([sending, behind]);
    await peer.send(Opcode.Close, encodeClose(4000));
    if (role === "client") peer.conn.close();
    assertEquals(await closed, { code: 4000, reason: "", wasClean: true });
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: the peer's Close refuses the sends that wait, and follows what is under way`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    const huge = new Uint8Array(32_000_000); // more than the kernel's buffers take
    const sending = conn.send(huge);
    const behind = conn.send("behind");
    await peer.send(Opcode.Close, encodeClose(4001));
    await assertRejects(() => sending, WsConnectionClosed, "4001");
    await assertRejects(() => behind, WsConnectionClosed, "4001");
    const masking = role === "client" ? 4 : 0;
    const expected = 10 + masking + huge.length + 2 + masking + 2; // what has begun is finished, then the Close
    const buffer = new Uint8Array(1 << 16);
    let read = 0;
    while (read < expected) read += (await peer.conn.read(buffer))!;
    assertEquals(read, expected);
    if (role === "client") peer.conn.close();
    assertEquals((await conn.finished).code, 4001);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: the first close() counts, whatever the later ones say`, async () => {
    const { peer, conn } = await RawPeer.against(peerOf(role));
    const closes = [conn.close(4001, "first"), conn.close(4002), conn.close()];
    assertEquals(await peer.next(), [0x88, encodeClose(4001, "first")]);
    await peer.send(Opcode.Close, encodeClose(4001));
    if (role === "client") peer.conn.close();
    else assertEquals(await peer.next(), null);
    assertEquals(new Set((await Promise.all(closes)).map(({ code }) => code)), new Set([4001]));
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a Close that breaks the rules is answered with the code for it`, async () => {
    const cases: [payload: Uint8Array, code: number, error: string][] = [
      [Uint8Array.of(3), 1002, "1 byte"],
      [Uint8Array.of(3, 237), 1002, "code 1005"],
      [Uint8Array.of(3, 232, 0xff), 1007, "not valid UTF-8"],
    ];
    for (const [sent, code, message] of cases) {
      const { peer, conn } = await RawPeer.against(peerOf(role));
      await peer.send(Opcode.Close, sent);
      const [first, payload] = (await peer.next())!;
      assertEquals([first, payload[0]! << 8 | payload[1]!], [0x88, code]);
      await assertRejects(() => conn.recv(), WsProtocolError, message);
      peer.conn.close();
      assertEquals(await conn.finished, { code: 1006, reason: "", wasClean: false });
    }
  });

  for (const dir of ["sending", "receiving"] as const) {
    Deno.test(`${role}: the end of the connection ends the compression that is ${dir}`, async () => {
      const large = new Uint8Array(30_000_000);
      const { server, client } = await pair({ compression: true, maxMessageSize: 1e8 }, {
        compression: true,
        maxMessageSize: 1e8,
      });
      const [here, there] = role === "server" ? [server, client] : [client, server];
      const [from, to] = dir === "sending" ? [here, there] : [there, here];
      const sent = from.send(large).then(() => "sent", (error) => error.constructor.name);
      const received = to.recv().then((message) => message, (error) => error.constructor.name);
      await (dir === "sending" ? there : here).close(4000);
      assertEquals((await here.finished).code, 4000);
      assertEquals((await there.finished).code, 4000);
      assertEquals(await received, null);
      assert(["sent", "WsConnectionClosed"].includes(await sent));
    });
  }
}
