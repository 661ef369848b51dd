/** What the end of a connection does to messages that are sent as streams (RFC 6455 §7), in both roles. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertRejects,
} from "@std/assert";
import { toText } from "@std/streams";
import {
  type CloseInfo,
  type WsConn,
  WsConnectionClosed,
  type WsMessageSource,
  WsProtocolError,
} from "../../mod.ts";
import { encodeClose, Opcode } from "../../framing/mod.ts";
import type { RawPeer } from "../helpers/sockets.ts";
import { against, byHand, closeCode, ends, endWith, pause, ROLES } from "./helpers.ts";
import { bytesOf } from "../helpers/bytes.ts";

const MiB = 1024 * 1024;
const CLEAN = { code: 1000, reason: "", wasClean: true };
const LOST = { code: 1006, reason: "", wasClean: false };
const TEXT = { type: "text" } as const;

interface Hanging {
  source: WsMessageSource;
  /** Settles when it is told that nothing more is wanted of it. */
  cancelled: Promise<unknown>;
}

/** Sources that give these pieces, and then nothing for ever. */
const HANGING: [string, (pieces: (string | Uint8Array)[]) => Hanging][] = [
  ["stream", (pieces) => {
    const { source, give, cancelled } = byHand();
    pieces.forEach(give);
    return { source, cancelled };
  }],
  ["iterator", (pieces) => {
    const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
    const left = [...pieces];
    const iterator: AsyncIterator<string | Uint8Array> = {
      next() {
        const value = left.shift();
        if (value === undefined) return new Promise(() => {});
        return Promise.resolve({ value, done: false });
      },
      return() {
        resolve(new WsConnectionClosed()); // an iterator is not told why
        return Promise.resolve({ value: undefined, done: true });
      },
    };
    return { source: { [Symbol.asyncIterator]: () => iterator }, cancelled };
  }],
];

interface End {
  what: string;
  /** Ends the connection, while its sources hang. */
  act(conn: WsConn, peer: RawPeer): Promise<unknown>;
  finished: CloseInfo;
}

const ENDS: End[] = [
  {
    what: "the peer closes",
    async act(conn, peer) {
      await peer.send(Opcode.Close, encodeClose(4000, "enough"));
      assertEquals(await closeCode(peer), 4000);
      await endWith(4000, conn, peer);
    },
    finished: { code: 4000, reason: "enough", wasClean: true },
  },
  {
    what: "the peer ends TCP",
    act: (_, peer) => peer.conn.closeWrite(),
    finished: LOST,
  },
  {
    what: "the peer resets TCP",
    act(_, peer) {
      peer.conn.close(); // with frames unread
      return Promise.resolve();
    },
    finished: LOST,
  },
  {
    what: "the peer breaks the protocol",
    async act(_, peer) {
      await peer.send(3);
      assertEquals(await closeCode(peer), 1002);
      peer.conn.close();
    },
    finished: LOST,
  },
  {
    what: "close() waits for closeTimeout",
    async act(conn) {
      const closed = conn.close(4001);
      assert(conn.closed);
      await assertRejects(() => conn.send("too late"), WsConnectionClosed);
      await closed;
    },
    finished: LOST,
  },
  {
    what: "writable is aborted",
    async act(conn, peer) {
      const aborted = conn.writable.abort(new Error("why"));
      assertEquals(await closeCode(peer), 1011);
      await endWith(1011, conn, peer);
      await aborted;
    },
    finished: { code: 1011, reason: "", wasClean: true },
  },
];

/** What the source gives before it hangs: nothing; a text; the first half of a character. */
const BEGINNINGS: (string | Uint8Array)[][] = [
  [],
  ["begun"],
  [bytesOf("é").subarray(0, 1)],
  ["\ud83d"],
];

for (const role of ROLES) {
  for (const { what, act, finished } of ENDS) {
    Deno.test(`${role}: ${what} while sources hang: they are cancelled, and their calls refused`, async () => {
      const closeTimeout = what === "close() waits for closeTimeout" ? 0.02 : 10;
      for (const compression of [false, true]) {
        for (const [kind, make] of HANGING) {
          for (const pieces of BEGINNINGS) {
            const { peer, conn } = await against(role, { compression, closeTimeout });
            await conn.send("left unread");
            const [first, second] = [make(pieces), make(pieces)];
            const calls = [
              conn.sendStream(first.source, TEXT),
              conn.sendStream(second.source, TEXT),
              conn.send("behind"),
            ];
            void conn.sendStream(make(pieces).source, TEXT); // nobody awaits it, and nobody is harmed
            await peer.next();
            if (pieces[0] === "begun") await peer.next();
            await act(conn, peer);
            assertEquals(await conn.finished, finished);
            const isAbort = what === "writable is aborted";
            for (const [index, call] of calls.entries()) {
              // those behind are told why by the stream itself
              if (isAbort && index > 0) await assertRejects(() => call, Error, "why");
              else await assertRejects(() => call, WsConnectionClosed, "", `${kind} ${index}`);
            }
            for (const [index, { cancelled }] of [first, second].entries()) {
              const reason = await cancelled;
              if (!isAbort || index === 0) assertInstanceOf(reason, WsConnectionClosed);
            }
            if (what === "the peer breaks the protocol") {
              const error = await assertRejects(() => calls[0]!, WsConnectionClosed);
              assertInstanceOf(error.cause, WsProtocolError);
            }
            assertEquals(conn.bufferedAmount, 0);
            peer[Symbol.dispose]();
          }
        }
      }
    });
  }

  Deno.test(`${role}: close() while a message is being sent goes out behind it`, async () => {
    for (const compression of [false, true]) {
      const [here, there] = await ends(role, { compression });
      const { source, give, controller } = byHand();
      const sending = here.sendStream(source, TEXT);
      give("begun, ");
      const stream = (await there.recvStream())!;
      const closed = here.close(4001);
      give("ended");
      controller.close();
      assertEquals(await toText(stream), "begun, ended");
      await sending;
      assertEquals(await there.recv(), null);
      assertEquals(await closed, { code: 4001, reason: "", wasClean: true });
    }
  });

  Deno.test(`${role}: close() while a message is being sent discards what arrives, of any length`, async () => {
    for (const compression of [false, true]) {
      for (const what of ["is asked for", "is there already", "is still to come"]) {
        const [here, there] = await ends(role, { maxMessageSize: 1000, compression });
        const { source, give, controller } = byHand();
        const sending = here.sendStream(source, TEXT);
        give("x");
        const stream = (await there.recvStream())!;
        const part = new Uint8Array(MiB);
        const waiting = what === "is asked for" ? here.recvStream() : Promise.resolve(null);
        await there.ping();
        const early = what === "is there already" ? there.send(part) : undefined;
        if (early !== undefined) await here.ready();
        const closed = here.close(4001);
        assertEquals(await waiting, null);
        const before = Deno.memoryUsage().external;
        for (const count of [compression ? 4 : 64, 1]) {
          const large = ReadableStream.from(Array(count).fill(part));
          await there.sendStream(large, { type: "binary" });
        }
        await there.send(part);
        assertGreater(await there.ping(), 0);
        // zlib leaves garbage of that size
        if (!compression) assertLess(Deno.memoryUsage().external - before, 16 * MiB);
        controller.close();
        assertEquals(await toText(stream), "x");
        await Promise.all([sending, early]);
        assertEquals((await closed).code, 4001);
        assertEquals(await there.finished, { code: 4001, reason: "", wasClean: true });
      }
    }
  });

  Deno.test(`${role}: a source that fails while close() waits for it lets the Close go out`, async () => {
    const [here, there] = await ends(role);
    const { source, give, controller } = byHand();
    const sending = here.sendStream(source, TEXT);
    give("x");
    await there.ready;
    const stream = (await there.recvStream())!;
    const closed = here.close(4001);
    controller.error(new Error("Broken source"));
    await assertRejects(() => sending, Error, "Broken source");
    assertEquals(await closed, { code: 4001, reason: "", wasClean: true });
    await assertRejects(() => toText(stream));
    await there.finished;
  });

  Deno.test(`${role}: a peer that does not read, and closes, refuses the call and cancels the source`, async () => {
    const { peer, conn } = await against(role, { closeTimeout: 0.05 });
    let returned = false;
    async function* endless() {
      try {
        for (const part = new Uint8Array(MiB);;) yield part;
      } finally {
        returned = true;
      }
    }
    const sending = conn.sendStream(endless(), { type: "binary" });
    await pause();
    await peer.send(Opcode.Close, encodeClose(4000));
    await assertRejects(() => sending, WsConnectionClosed, "4000");
    assert(returned);
    assertEquals((await conn.finished).code, 4000);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: closing writable goes out behind a message that is being sent`, async () => {
    const [here, there] = await ends(role);
    const { source, give, controller } = byHand();
    const sending = here.sendStream(source, TEXT);
    const closed = here.writable.close();
    give("all of it");
    controller.close();
    assertEquals(await there.recv(), "all of it");
    await Promise.all([sending, closed]);
    assertEquals(await there.finished, CLEAN);
  });

  Deno.test(`${role}: on a closed connection a source is cancelled unread`, async () => {
    const [here, there] = await ends(role);
    await here.close();
    for (const conn of [here, there]) {
      for (const [, make] of HANGING) {
        const { source, cancelled } = make(["never"]);
        await assertRejects(() => conn.sendStream(source, TEXT), WsConnectionClosed);
        await cancelled;
      }
    }
  });
}
