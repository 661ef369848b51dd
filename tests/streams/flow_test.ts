/** Messages received as streams, in both roles: how long they may be, how fast they come, and what ends them. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { concat } from "@std/bytes";
import { toBytes } from "@std/streams/unstable-to-bytes";
import { type WsConn, WsProtocolError } from "../../mod.ts";
import { Opcode } from "../../framing/mod.ts";
import type { RawPeer } from "../helpers/sockets.ts";
import {
  against,
  closeCode,
  deflate,
  ends,
  endWith,
  fragments,
  hangUp,
  pattern,
  pause,
  ROLES,
  take,
} from "./helpers.ts";
import { bytesOf } from "../helpers/bytes.ts";

const MiB = 1024 * 1024;
const CLEAN = { code: 1000, reason: "", wasClean: true };

/** A call is refused because the message is too long, and the peer is told so. */
async function assertTooLong(call: () => Promise<unknown>, conn: WsConn, peer: RawPeer) {
  const error = await assertRejects(call, WsProtocolError, "Message of ");
  assertEquals(error.closeCode, 1009);
  assertEquals(await closeCode(peer), 1009);
  const ended = await endWith(1009, conn, peer);
  // a message that has arrived whole breaks no rule: the connection is closed as by close()
  assert(ended.code === 1006 || ended.code === 1009, `${ended.code}`);
}

// How long

for (const role of ROLES) {
  for (const compression of [false, true]) {
    const compressed = compression;
    const how = compression ? ", compressed" : "";
    const options = { compression, maxMessageSize: 1000 };
    const shapes = [[1001, 1], [1200, 2], [300_000, 1], [300_000, 3]] as const;

    for (const [size, count] of shapes) {
      const what = `${size} bytes${how} in ${count} frames, more than maxMessageSize`;

      Deno.test(`${role}: ${what}, wait to be asked for: recvStream takes them`, async () => {
        const { peer, conn } = await against(role, options);
        const frames = fragments(peer, Opcode.Binary, pattern(size), { count, compressed });
        const written = peer.write(concat([...frames, peer.frame(Opcode.Text, "next")]));
        await conn.ready();
        const stream = (await conn.recvStream())!;
        assertEquals(await toBytes(stream), pattern(size));
        assertEquals(await conn.recv(), "next");
        await written;
        assertEquals(await hangUp(conn, peer), CLEAN);
      });

      Deno.test(`${role}: ${what}, are refused by recv and by a reader of readable`, async () => {
        const asks: ((conn: WsConn) => Promise<unknown>)[] = [
          (conn) => conn.recv(),
          (conn) => conn.readable.getReader().read(),
        ];
        for (const ask of asks) {
          for (const when of ["before", "after"]) {
            const { peer, conn } = await against(role, options);
            const frames = fragments(peer, Opcode.Binary, pattern(size), { count, compressed });
            const early = when === "before" ? ask(conn) : undefined;
            await peer.write(concat(frames));
            if (when === "after") await conn.ready();
            await assertTooLong(() => early ?? ask(conn), conn, peer);
          }
        }
      });

      Deno.test(`${role}: ${what}, are refused by a recvStream that asks for at most 1000`, async () => {
        for (const when of ["before", "after"]) {
          const { peer, conn } = await against(role, options);
          const frames = fragments(peer, Opcode.Binary, pattern(size), { count, compressed });
          const ask = () =>
            conn.recvStream({ maxMessageSize: 1000 }).then((stream) => toBytes(stream!));
          const early = when === "before" ? ask() : undefined;
          await peer.write(concat(frames));
          if (when === "after") await conn.ready();
          await assertTooLong(() => early ?? ask(), conn, peer);
        }
      });
    }

    Deno.test(`${role}: recvStream takes exactly as many bytes${how} as it asks for`, async () => {
      const { peer, conn } = await against(role, { compression });
      for (const count of [1, 3]) {
        for (const when of ["before", "after"]) {
          const ask = () => conn.recvStream({ maxMessageSize: 1000 });
          const early = when === "before" ? ask() : undefined;
          await peer.write(
            concat(fragments(peer, Opcode.Binary, pattern(1000), { count, compressed })),
          );
          if (when === "after") await conn.ready();
          assertEquals(await toBytes((await (early ?? ask()))!), pattern(1000));
        }
      }
      // one that waits whole
      await peer.write(concat(fragments(peer, Opcode.Binary, pattern(1001), { compressed })));
      await conn.ready();
      await assertTooLong(() => conn.recvStream({ maxMessageSize: 1000 }), conn, peer);
    });
  }

  Deno.test(`${role}: a declared length is refused before its bytes come`, async () => {
    const { peer, conn } = await against(role);
    const frame = peer.frame(Opcode.Binary, new Uint8Array(MiB));
    await peer.write(frame.subarray(0, frame.length - MiB));
    await assertTooLong(() => conn.recvStream({ maxMessageSize: MiB - 1 }), conn, peer);
  });

  Deno.test(`${role}: what has gathered already counts for a recvStream that asks for less`, async () => {
    for (const held of [500, 500_000]) { // in the read buffer, and read into the message itself
      const { peer, conn } = await against(role);
      const frame = peer.frame(Opcode.Binary, new Uint8Array(MiB));
      await peer.write(
        concat([peer.frame(Opcode.Ping), frame.subarray(0, frame.length - MiB + held)]),
      );
      await peer.next(); // by now it has been read, or is being
      const refused = assertTooLong(
        () => conn.recvStream({ maxMessageSize: 1000 }).then((stream) => toBytes(stream!)),
        conn,
        peer,
      );
      await peer.write(frame.subarray(frame.length - MiB + held)).catch(() => {});
      await refused;
    }
  });

  Deno.test(`${role}: fragments are counted while they come, and what came before is delivered`, async () => {
    const { peer, conn } = await against(role);
    const received = conn.recvStream({ maxMessageSize: 1000 });
    await peer.send(Opcode.Text, "x".repeat(1000), { fin: false });
    const reader = (await received)!.getReader();
    assertEquals((await take(reader, 1000)).length, 1000);
    await peer.send(Opcode.Continuation, "y", { fin: false });
    await assertTooLong(() => reader.read(), conn, peer);
  });

  Deno.test(`${role}: having looked at readable once does not make a long message be refused`, async () => {
    const { peer, conn } = await against(role, { maxMessageSize: 10 });
    assertEquals(conn.readable.locked, false);
    await peer.send(Opcode.Text, "short");
    assertEquals(await conn.recv(), "short");
    await peer.send(Opcode.Text, "longer than that");
    await conn.ready();
    assertEquals(await toBytes((await conn.recvStream())!), bytesOf("longer than that"));
    assertEquals(await hangUp(conn, peer), CLEAN);
  });
}

// How fast

for (const role of ROLES) {
  Deno.test(`${role}: a stream that is not read holds the peer back; a slow reader gets everything`, async () => {
    const [here, there] = await ends(role);
    const CHUNK = 256 * 1024;
    const COUNT = 256;
    let pulled = 0;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulled === COUNT) controller.close();
        else controller.enqueue(new Uint8Array(CHUNK).fill(pulled++));
      },
    });
    const sending = there.sendStream(source, { type: "binary" });
    const reader = (await here.recvStream())!.getReader();
    let before;
    do {
      before = pulled;
      await pause(50);
    } while (pulled > before);
    assertLess(pulled, COUNT / 2, "the socket's buffers are full, and nothing else has grown");
    let isAnswered = false;
    const ping = there.ping().then(() => isAnswered = true);
    let length = 0;
    for (let count = 0;; count++) {
      const { value, done } = await reader.read();
      if (done) break;
      assert(value.length <= 64 * 1024, "it is not gathered either");
      if (count === 0) assert(!isAnswered, "a Ping waits behind what is not read");
      if (count % 100 === 0) await pause(1);
      assertEquals(value[0], length / CHUNK & 0xff);
      assertEquals(value.at(-1), (length + value.length - 1) / CHUNK & 0xff);
      length += value.length;
    }
    assertEquals(length, CHUNK * COUNT);
    await Promise.all([sending, ping]);
    await here.close();
    assertEquals(await there.finished, CLEAN);
  });

  Deno.test(`${role}: a compressed message is inflated no faster than it is read`, async () => {
    const { peer, conn } = await against(role, { compression: true, maxMessageSize: MiB });
    // 64 MiB of zeros, and hardly more than 64 KiB of them compressed
    const part = concat([deflate(new Uint8Array(MiB)), Uint8Array.of(0, 0, 0xff, 0xff)]);
    const bomb = concat(Array.from({ length: 64 }, () => part)).subarray(0, -4);
    const before = Deno.memoryUsage().external;
    const written = peer.write(peer.frame(Opcode.Binary, bomb, { rsv1: true }));
    const reader = (await conn.recvStream())!.getReader();
    await reader.read();
    await pause(100);
    assertLess(Deno.memoryUsage().external - before, 8 * MiB);
    assertEquals((await reader.read()).done, false);
    await reader.cancel();
    await written;
    await peer.send(Opcode.Text, "next");
    assertEquals(await conn.recv(), "next");
    assertEquals(await hangUp(conn, peer), CLEAN);
  });
}

// What ends it

for (const role of ROLES) {
  for (const compression of [false, true]) {
    const how = compression ? ", compressed" : "";
    Deno.test(`${role}: cancelling${how} discards the rest; the next message is received`, async () => {
      const { peer, conn } = await against(role, { compression });
      const cancels: [string, (stream: ReadableStream<Uint8Array>) => Promise<void>][] = [
        ["at once", (stream) => stream.cancel()],
        ["by a reader that waits", async (stream) => {
          const reader = stream.getReader();
          await reader.read();
          const reading = reader.read();
          await reader.cancel("enough");
          await reading;
        }],
        ["when it has been held back", async (stream) => {
          await pause();
          await stream.cancel();
        }],
        ["by leaving an iteration", async (stream) => {
          for await (const _ of stream) break;
        }],
      ];
      for (const [what, cancel] of cancels) {
        for (const size of [1000, 3 * MiB]) {
          const frames = fragments(peer, Opcode.Binary, pattern(size), {
            count: 2,
            compressed: compression,
          });
          const cut = frames[0]!.length >> 1;
          const begun = peer.write(frames[0]!.subarray(0, cut));
          await cancel((await conn.recvStream())!);
          const next = [conn.recvStream(), conn.recv()] as const;
          await begun;
          await peer.write(frames[0]!.subarray(cut)); // still sending
          await peer.write(frames[1]!);
          await peer.send(Opcode.Binary, "next");
          await peer.send(Opcode.Text, "and the one after");
          assertEquals(await toBytes((await next[0])!), bytesOf("next"), what);
          assertEquals(await next[1], "and the one after");
        }
      }
      assertEquals(await hangUp(conn, peer), CLEAN);
    });
  }
}
