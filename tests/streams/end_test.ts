/** What the end of a connection does to messages that are received as streams (RFC 6455 §7), in both roles. */
import { assertEquals, assertRejects } from "@std/assert";
import { concat } from "@std/bytes";
import { type WsConn, WsConnectionLost, WsProtocolError } from "../../mod.ts";
import { encodeClose, Opcode } from "../../framing/mod.ts";
import type { RawPeer } from "../helpers/sockets.ts";
import {
  against,
  closeCode,
  ends,
  endWith,
  fragments,
  hangUp,
  pattern,
  pause,
  ROLES,
} from "./helpers.ts";

const MiB = 1024 * 1024;
const CLEAN = { code: 1000, reason: "", wasClean: true };
const LOST = { code: 1006, reason: "", wasClean: false };

interface End {
  what: string;
  /** Ends the connection, within the message. */
  act(conn: WsConn, peer: RawPeer): Promise<unknown>;
  /** What the stream is told. */
  error: [typeof WsConnectionLost | typeof WsProtocolError, text: string];
  /** What is received behind it: `null`, or the same error. */
  closed: boolean;
  finished: { code: number; reason: string; wasClean: boolean };
}

const ENDS: End[] = [
  {
    what: "the peer ends TCP",
    act: (_, peer) => peer.conn.closeWrite(),
    error: [WsConnectionLost, "without a Close frame"],
    closed: false,
    finished: LOST,
  },
  {
    what: "the peer resets TCP",
    async act(conn, peer) {
      await conn.send("left unread");
      await peer.conn.read(new Uint8Array(1));
      peer.conn.close();
    },
    error: [WsConnectionLost, ""],
    closed: false,
    finished: LOST,
  },
  {
    what: "the peer closes between two fragments",
    async act(conn, peer) {
      await peer.send(Opcode.Close, encodeClose(4000, "enough"));
      assertEquals(await peer.next(), [0x88, encodeClose(4000, "enough")]);
      await endWith(4000, conn, peer);
    },
    error: [WsConnectionLost, "closed within the message"],
    closed: true,
    finished: { code: 4000, reason: "enough", wasClean: true },
  },
  {
    what: "this side closes",
    async act(conn, peer) {
      const closed = conn.close(4001);
      assertEquals(await closeCode(peer), 4001);
      await peer.send(Opcode.Continuation, "the rest is discarded");
      await endWith(4001, conn, peer);
      await closed;
    },
    error: [WsConnectionLost, "closed within the message"],
    closed: true,
    finished: { code: 4001, reason: "", wasClean: true },
  },
  {
    what: "this side closes, and the peer does not answer",
    act: (conn) => conn.close(),
    error: [WsConnectionLost, "closed within the message"],
    closed: true,
    finished: LOST,
  },
  {
    what: "readable is cancelled",
    async act(conn, peer) {
      const cancelled = conn.readable.cancel();
      assertEquals(await closeCode(peer), 1000);
      await endWith(1000, conn, peer);
      await cancelled;
    },
    error: [WsConnectionLost, "closed within the message"],
    closed: true,
    finished: CLEAN,
  },
  {
    what: "the peer breaks the protocol",
    async act(_, peer) {
      await peer.send(Opcode.Text, "a new message within this one");
      assertEquals(await closeCode(peer), 1002);
      peer.conn.close();
    },
    error: [WsProtocolError, "within a fragmented one"],
    closed: false,
    finished: LOST,
  },
];

for (const role of ROLES) {
  for (const compression of [false, true]) {
    const how = compression ? ", compressed" : "";
    const options = { compression, closeTimeout: 0.1 };

    for (const { what, act, error: [type, text], closed, finished } of ENDS) {
      Deno.test(`${role}: ${what} within a message${how}: its stream and all calls that wait are told`, async () => {
        for (const isWaiting of [true, false]) {
          const { peer, conn } = await against(role, options);
          const [begin] = fragments(peer, Opcode.Binary, pattern(1000), {
            count: 2,
            compressed: compression,
          });
          await peer.write(begin!);
          const stream = (await conn.recvStream())!;
          const reader = stream.getReader();
          const isCancel = what === "readable is cancelled";
          // a call that waits would keep the lock of readable
          const behind = isCancel ? [] : [conn.recvStream(), conn.recv()];
          behind.forEach((call) => call.catch(() => {}));
          if (isWaiting) await reader.read();
          const reading = isWaiting ? readToEnd(reader) : undefined;
          reading?.catch(() => {});
          await act(conn, peer);
          assertEquals(await conn.finished, finished);
          await assertRejects(() => reading ?? readToEnd(reader), type, text);
          for (const call of [...behind, conn.recvStream(), conn.recv()]) {
            if (closed) assertEquals(await call, null);
            else await assertRejects(() => call, type);
          }
          await conn.ready();
          peer[Symbol.dispose]();
        }
      });
    }

    Deno.test(`${role}: close() gets past a stream${how} that is held back, to the peer's Close behind it`, async () => {
      for (const size of [1000, 3 * MiB]) {
        const { peer, conn } = await against(role, { compression });
        const frames = fragments(peer, Opcode.Binary, pattern(size), {
          count: 3,
          compressed: compression,
        });
        const close = peer.frame(Opcode.Close, encodeClose(4002));
        // in one go, so that all of it may be in the same buffer
        const written = peer.write(concat([...frames, close]));
        const stream = (await conn.recvStream())!;
        await pause();
        const closing = conn.close(4001);
        await written;
        assertEquals(await closeCode(peer), size === 1000 ? 4002 : 4001);
        await peer.conn.closeWrite();
        assertEquals(await closing, { code: 4002, reason: "", wasClean: true });
        await stream.cancel().catch(() => {});
        peer[Symbol.dispose]();
      }
    });
  }

  Deno.test(`${role}: close() gets past a message that is too long, with the peer's Close in the same buffer`, async () => {
    const { peer, conn } = await against(role, { maxMessageSize: 100 });
    await peer.write(concat([
      peer.frame(Opcode.Binary, pattern(101)),
      peer.frame(Opcode.Close, encodeClose(4002)),
    ]));
    await conn.ready();
    const closing = conn.close(4001);
    assertEquals(await closeCode(peer), 4001);
    await peer.conn.closeWrite();
    assertEquals(await closing, { code: 4002, reason: "", wasClean: true });
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: at the end recvStream gives what came before, then null, as often as it is called`, async () => {
    const [here, there] = await ends(role);
    const calls = Array.from({ length: 4 }, () => here.recvStream());
    await there.send("one");
    await there.sendStream(ReadableStream.from(["two"]), { type: "text" });
    await there.close();
    const streams = await Promise.all(calls);
    assertEquals(streams.map((stream) => stream?.type), ["text", "text", undefined, undefined]);
    assertEquals(await new Response(streams[1]).text(), "two");
    assertEquals([await here.recvStream(), await here.recv()], [null, null]);
    assertEquals(await here.finished, CLEAN);
  });

  Deno.test(`${role}: messages that wait whole are given before a loss is told`, async () => {
    const { peer, conn } = await against(role);
    await peer.send(Opcode.Text, "one");
    await peer.send(Opcode.Text, "two");
    await conn.ready();
    peer.conn.close();
    assertEquals(await conn.finished, LOST);
    assertEquals(await conn.recv(), "one");
    assertEquals(await new Response(await conn.recvStream()).text(), "two");
    await assertRejects(() => conn.recvStream(), WsConnectionLost);
    await assertRejects(() => conn.recv(), WsConnectionLost);
  });

  Deno.test(`${role}: a message that has ended is read to its end after the connection has`, async () => {
    const { peer, conn } = await against(role);
    await peer.send(Opcode.Binary, pattern(50_000));
    const stream = (await conn.recvStream())!;
    assertEquals(await hangUp(conn, peer), CLEAN);
    assertEquals((await new Response(stream).bytes()).length, 50_000);
  });
}

async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}
