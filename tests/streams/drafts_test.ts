/** Streamed messages on the drafts before RFC 6455, which have no fragments, in both framings. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { concat } from "@std/bytes";
import { toText } from "@std/streams";
import { Buffer } from "node:buffer";
import {
  type FramingMode,
  wsAccept,
  type WsAcceptOptions,
  type WsConn,
  WsConnectionClosed,
  WsConnectionLost,
  WsProtocolError,
} from "../../mod.ts";
import { HeadReader } from "../../handshake/head.ts";
import { readHead } from "../../transport.ts";
import { LOCAL, pair } from "../helpers/sockets.ts";
import { byHand, pause, ROLES, take } from "./helpers.ts";
import { bytesOf } from "../helpers/bytes.ts";

const CLOSED = { code: 1005, reason: "", wasClean: true };
const LOST = { code: 1006, reason: "", wasClean: false };
const TEXT = { type: "text" } as const;
const DRAFTS = ["hixie-76", "hixie-75"] as const;
const FRAMINGS = ["old", "new"] as const;

/** A hixie-75 client by hand. */
async function againstDraft(
  framing: FramingMode,
  options: WsAcceptOptions = {},
): Promise<{ peer: Deno.TcpConn; conn: WsConn }> {
  using listener = Deno.listen(LOCAL);
  const peer = await Deno.connect({ ...LOCAL, port: listener.addr.port });
  const [conn] = await Promise.all([
    listener.accept().then((conn) =>
      wsAccept(conn, { versions: ["hixie-75"], framing, ...options })
    ),
    peer.write(bytesOf(
      "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
        "Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n\r\n",
    )),
  ]);
  await readHead(peer, new HeadReader());
  return { peer, conn };
}

/** What stands before and after a text of so many bytes. */
function frameOf(framing: FramingMode, length: number): [head: Uint8Array, tail: Uint8Array] {
  if (framing === "old") return [Uint8Array.of(0x00), Uint8Array.of(0xff)];
  const head = new Uint8Array(9);
  head[0] = 0xff;
  new DataView(head.buffer).setBigUint64(1, BigInt(length));
  return [head, new Uint8Array(0)];
}

for (const version of DRAFTS) {
  for (const framing of FRAMINGS) {
    for (const role of ROLES) {
      const ends = async (options: WsAcceptOptions = {}) => {
        const { server, client } = await pair(
          { versions: [version], framing, ...options },
          { version, framing },
        );
        return role === "server" ? [server, client] as const : [client, server] as const;
      };

      Deno.test(`${version}, ${framing} framing, ${role}: a source is gathered and sent whole`, async () => {
        const [here, there] = await ends();
        const buffer = Buffer.alloc(1000); // whose slice is no copy
        /** Gives the same bytes again and again, as one does who reads from a file. */
        async function* reusing() {
          for (let i = 0; i < 3; i++) yield buffer.fill(0x61 + i);
        }
        const sources = {
          "": ReadableStream.from([]),
          "a😀b": ReadableStream.from(["a\ud83d", "\ude00b"]),
          "é": ReadableStream.from([...bytesOf("é")].map((byte) => Uint8Array.of(byte))),
          ["a".repeat(1000) + "b".repeat(1000) + "c".repeat(1000)]: reusing(),
          ["é".repeat(500_000)]: ReadableStream.from(["é".repeat(500_000)]),
        };
        for (const [text, source] of Object.entries(sources)) {
          const before = here.send("before");
          const sending = here.sendStream(source, TEXT);
          const after = here.send("after");
          assertEquals(await there.recv(), "before");
          const stream = (await there.recvStream())!;
          assertEquals(stream.type, "text");
          assert(await toText(stream) === text, text.slice(0, 10));
          assertEquals(await there.recv(), "after");
          await Promise.all([before, sending, after]);
        }
        await here.close();
        assertEquals(await there.finished, CLOSED);
      });

      Deno.test(`${version}, ${framing} framing, ${role}: whatever a source does harms nothing but its own call`, async () => {
        const [here, there] = await ends();
        const broken = new Error("Broken source");
        async function* failing() {
          yield "begun";
          throw broken;
        }
        await assertRejects(() => here.sendStream(failing(), TEXT), Error, "Broken source");
        const cut = ReadableStream.from([Uint8Array.of(0x61, 0xc3)]);
        await assertRejects(() => here.sendStream(cut, TEXT), TypeError, "not valid UTF-8");
        const { source, cancelled } = byHand();
        const binary = { type: "binary" } as const;
        await assertRejects(() => here.sendStream(source, binary), TypeError, "carries text only");
        assertEquals(source.locked, false);
        await here.send("unharmed");
        assertEquals(await there.recv(), "unharmed");
        const hanging = here.sendStream(source, TEXT);
        await there.close();
        await assertRejects(() => hanging, WsConnectionClosed);
        await cancelled;
        assertEquals(await here.finished, CLOSED);
      });
    }
  }
}

for (const framing of FRAMINGS) {
  const [head, tail] = frameOf(framing, 300_000);
  const payload = bytesOf("é".repeat(150_000));
  const next = frameOf(framing, 4);
  const behind = concat([next[0], bytesOf("next"), next[1]]);

  Deno.test(`${framing} framing: bytes are delivered before their frame is complete, and a peer is held back`, async () => {
    const { peer, conn } = await againstDraft(framing);
    for (const asked of ["before", "while"]) {
      const early = asked === "before" ? conn.recvStream() : undefined;
      await peer.write(concat([head, payload.subarray(0, 5)])); // within a character
      if (asked === "while") await pause(5);
      const reader = (await (early ?? conn.recvStream()))!.getReader();
      assertEquals(await take(reader, 5), payload.subarray(0, 5));
      await writeAll(peer, concat([payload.subarray(5), tail, behind]));
      await pause(); // nobody reads
      assertEquals(await take(reader, 299_995), payload.subarray(5));
      assertEquals((await reader.read()).done, true);
      assertEquals(await conn.recv(), "next");
    }
    peer.close();
    assertEquals(await conn.recv(), null); // how hixie-75 closes
    assertEquals(await conn.finished, CLOSED);
  });

  Deno.test(`${framing} framing: what is longer than maxMessageSize waits to be asked for`, async () => {
    const { peer, conn } = await againstDraft(framing, { maxMessageSize: 1000 });
    const writing = writeAll(peer, concat([head, payload, tail, behind]));
    await conn.ready();
    assertEquals((await toText((await conn.recvStream())!)).length, 150_000);
    assertEquals(await conn.recv(), "next");
    await writing;
    const refused = writeAll(peer, concat([head, payload, tail])).catch(() => {});
    await conn.ready();
    const error = await assertRejects(() => conn.recv(), WsProtocolError, "at most 1000");
    assertEquals(error.closeCode, 1009);
    peer.close();
    assertEquals(await conn.finished, LOST);
    await refused;
  });

  Deno.test(`${framing} framing: recvStream takes no more than it asks for`, async () => {
    const { peer, conn } = await againstDraft(framing);
    const asked = conn.recvStream({ maxMessageSize: 1000 });
    await writeAll(peer, concat([head, payload.subarray(0, 2000)]));
    const error = await assertRejects(
      () => asked.then((stream) => toText(stream!)),
      WsProtocolError,
      "at most 1000",
    );
    assertEquals(error.closeCode, 1009);
    peer.close();
    assertEquals(await conn.finished, LOST);
  });

  Deno.test(`${framing} framing: cancelling discards the rest; a text that is not UTF-8, or is cut off, fails`, async () => {
    const { peer, conn } = await againstDraft(framing);
    await writeAll(peer, concat([head, payload.subarray(0, 5)]));
    await (await conn.recvStream())!.cancel();
    const received = conn.recvStream();
    await writeAll(peer, concat([payload.subarray(5), tail, behind]));
    assertEquals(await toText((await received)!), "next");
    await peer.write(concat([head, Uint8Array.of(0x61, 0xc3, 0x28)]));
    await assertRejects(async () => await toText((await conn.recvStream())!), WsProtocolError);
    peer.close();
    assertEquals(await conn.finished, LOST);

    const other = await againstDraft(framing);
    await other.peer.write(concat([head, bytesOf("abc")]));
    const stream = (await other.conn.recvStream())!;
    other.peer.close();
    await assertRejects(() => toText(stream), WsConnectionLost);
    assertEquals(await other.conn.finished, LOST);
  });
}

async function writeAll(peer: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await peer.write(bytes));
}
