/** permessage-deflate between connections: what is agreed on, what goes over the wire, and what it costs. */
import { assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { concat } from "@std/bytes";
import { toText } from "@std/streams/to-text";
import { encodeClose, Opcode, type Role } from "../framing/mod.ts";
import {
  type CompressionOptions,
  wsAccept,
  type WsConn,
  wsConnect,
  WsConnectionClosed,
  WsConnectionLost,
  WsProtocolError,
  wsServe,
} from "../mod.ts";
import { HeadReader } from "../handshake/head.ts";
import { acceptKey } from "../handshake/challenge.ts";
import { readHead } from "../transport.ts";
import { randomBytes, seeded } from "./helpers/bytes.ts";
import { compressed, openHandles } from "./helpers/deflate.ts";
import { inflate } from "./helpers/inflate.ts";
import { LOCAL, pair, RawPeer } from "./helpers/sockets.ts";

const KiB = 1024, MiB = 1024 * 1024;
const ROLES: Role[] = ["server", "client"];
const FIN = 0x80, RSV1 = 0x40;
const EXTENSIONS = "Sec-WebSocket-Extensions: permessage-deflate";

/** A raw peer of one connection of this module in `role`, which agrees to compress. */
async function rawPair(
  role: Role,
  compression: boolean | CompressionOptions = true,
  options: { maxMessageSize?: number } = {},
): Promise<{ peer: RawPeer; conn: WsConn }> {
  using listener = Deno.listen(LOCAL);
  if (role === "server") {
    const [peer, conn] = await Promise.all([
      RawPeer.connect(listener.addr, [EXTENSIONS]),
      listener.accept().then((conn) => wsAccept(conn, { ...options, compression })),
    ]);
    return { peer, conn };
  }
  const accept = async () => {
    const conn = await listener.accept();
    const reader = new HeadReader();
    await readHead(conn, reader);
    const key = acceptKey(reader.request().headers.get("sec-websocket-key")!);
    const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
      `Connection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n${EXTENSIONS}\r\n\r\n`;
    await conn.write(new TextEncoder().encode(head));
    return new RawPeer(conn, "server", new Uint8Array(0));
  };
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  const [peer, conn] = await Promise.all([accept(), wsConnect(url, { ...options, compression })]);
  return { peer, conn };
}

Deno.test("options of compression that make no sense are refused before anything is done", async () => {
  const wrong: [CompressionOptions, string][] = [
    [{ serverMaxWindowBits: 7 }, "compression.serverMaxWindowBits must be an integer from 8 to 15"],
    [{ clientMaxWindowBits: 16 }, "compression.clientMaxWindowBits must be an integer from 8 to"],
    [{ clientMaxWindowBits: 9.5 }, "current value is 9.5"],
    [{ threshold: -1 }, "compression.threshold must be a number of bytes: current value is -1"],
    [{ threshold: NaN }, "current value is NaN"],
    [{ level: 10 }, "compression.level must be an integer from 0 to 9: current value is 10"],
    [{ memLevel: 0 }, "compression.memLevel must be an integer from 1 to 9: current value is 0"],
  ];
  for (const [compression, message] of wrong) {
    assertThrows(() => wsServe(() => {}, { ...LOCAL, compression }), RangeError, message);
    // the port is not asked: nobody listens there
    await assertRejects(() => wsConnect("ws://127.0.0.1:9", { compression }), RangeError, message);
    using listener = Deno.listen(LOCAL);
    using client = await Deno.connect({ ...LOCAL, port: listener.addr.port });
    using accepted = await listener.accept();
    await assertRejects(() => wsAccept(accepted, { compression }), RangeError, message);
    await client.write(new Uint8Array(1)); // and the connection is still its owner's
    assertEquals(await accepted.read(new Uint8Array(1)), 1);
  }
});

Deno.test("the drafts of 2010 know no compression, and do without", async () => {
  const { server, client } = await pair({ compression: true }, {
    compression: true,
    version: "hixie-76",
  });
  assertEquals([client.extensions, server.extensions], ["", ""]);
  await client.send("a draft ".repeat(1000));
  assertEquals(await server.recv(), "a draft ".repeat(1000));
  await client.close();
});

/** What client and server are set to, and what both then say was agreed on. */
type Agreement = [
  client: boolean | CompressionOptions | undefined,
  server: boolean | CompressionOptions | undefined,
  extensions: string,
];

const AGREEMENTS: Agreement[] = [
  [undefined, undefined, ""],
  [true, undefined, ""],
  [undefined, true, ""],
  [true, false, ""],
  [true, true, "permessage-deflate"],
  [{}, { threshold: 0, level: 1, memLevel: 1 }, "permessage-deflate"],
  [{ serverNoContextTakeover: true }, true, "permessage-deflate; server_no_context_takeover"],
  [true, { clientNoContextTakeover: true }, "permessage-deflate; client_no_context_takeover"],
  [
    { serverMaxWindowBits: 12, clientMaxWindowBits: 9 },
    { serverMaxWindowBits: 10, clientNoContextTakeover: true },
    "permessage-deflate; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9",
  ],
];

Deno.test("both sides say what was agreed on, and talk to each other accordingly", async () => {
  const text = "It was agreed on. ".repeat(500);
  for (const [client, server, extensions] of AGREEMENTS) {
    const both = await pair({ compression: server }, { compression: client });
    assertEquals([both.client.extensions, both.server.extensions], [extensions, extensions]);
    for (const [from, to] of [[both.client, both.server], [both.server, both.client]] as const) {
      for (const message of [text, new TextEncoder().encode(text), "", text]) {
        await from.send(message);
        assertEquals(await to.recv(), message);
      }
    }
    if (extensions === "") assertEquals(openHandles(), 0);
    await both.client.close();
  }
  assertEquals(openHandles(), 0);
});

for (const role of ROLES) {
  Deno.test(`${role}: only messages of the threshold and more are compressed, RSV1 says which`, async () => {
    for (const [threshold, at] of [[undefined, 1024], [10, 10], [0, 0], [Infinity, 1e6]] as const) {
      const { peer, conn } = await rawPair(role, threshold === undefined ? true : { threshold });
      for (const length of [0, 1, 9, 10, 11, 341, 1023, 1024, 1025, 50_000]) {
        for (const message of ["x".repeat(length), new Uint8Array(length)]) {
          await conn.send(message);
          const [first, payload] = (await peer.next())!;
          const opcode = typeof message === "string" ? Opcode.Text : Opcode.Binary;
          assertEquals(first, length >= at ? FIN | RSV1 | opcode : FIN | opcode);
          if (length < at) assertEquals(payload.length, length);
          else assertLess(payload.length, 20 + length / 50);
        }
      }
      await conn.send("é".repeat(512)); // 1024 bytes
      assertEquals((await peer.next())![0], at > 1024 ? 0x81 : 0xc1);
      peer.conn.close();
      await conn.finished;
    }
  });

  Deno.test(`${role}: a message sent as a stream is compressed, whatever its length`, async () => {
    const { peer, conn } = await rawPair(role);
    await conn.sendStream(ReadableStream.from(["one", "two"]), { type: "text" });
    await conn.send("short");
    const frames = [];
    for (let i = 0; i < 4; i++) frames.push((await peer.next())!);
    assertEquals(frames.map(([first]) => first), [
      RSV1 | Opcode.Text,
      0x00,
      FIN,
      FIN | Opcode.Text,
    ]);
    const tail = Uint8Array.of(0, 0, 0xff, 0xff);
    const { output } = inflate(concat([...frames.slice(0, 3).map(([, part]) => part), tail]));
    assertEquals(new TextDecoder().decode(output), "onetwo");
    peer.conn.close();
    await conn.finished;
  });

  Deno.test(`${role}: a Ping is answered, and one is sent, while a large message is compressed`, async () => {
    const { peer, conn } = await rawPair(role);
    const sending = conn.send(new Uint8Array(16 * MiB));
    const pinging = conn.ping();
    await peer.send(Opcode.Ping, "are you there");
    const [[, payload], [second]] = [(await peer.next())!, (await peer.next())!];
    assertEquals(second, FIN | Opcode.Pong);
    await peer.send(Opcode.Pong, payload);
    await pinging;
    assertEquals((await peer.next())![0], FIN | RSV1 | Opcode.Binary);
    await sending;
    peer.conn.close();
    await conn.finished;
  });

  Deno.test(`${role}: a message that inflates to more than maxMessageSize waits to be asked for, as any`, async () => {
    for (const length of [1001, 5000, 100_000]) {
      for (const [wants, outcome] of [["recv", "1009"], ["recvStream", `${length}`]]) {
        const { peer, conn } = await rawPair(role, true, { maxMessageSize: 1000 });
        await peer.send(Opcode.Text, compressed("x".repeat(length)), { rsv1: true });
        await conn.ready();
        const got = wants === "recv"
          ? await conn.recv().then((message) => `${message?.length}`, (e) => `${e.closeCode}`)
          : `${(await toText((await conn.recvStream())!)).length}`;
        assertEquals(got, outcome);
        peer.conn.close();
        await conn.finished;
      }
    }
    assertEquals(openHandles(), 0);
  });

  Deno.test(`${role}: one that nobody asks for does not hold up close()`, async () => {
    const { peer, conn } = await rawPair(role, true, { maxMessageSize: 1000 });
    await peer.send(Opcode.Binary, compressed(new Uint8Array(MiB)), { rsv1: true });
    await conn.ready();
    const closed = conn.close(4000);
    assertEquals(await peer.next(), [0x88, encodeClose(4000)]);
    await peer.send(Opcode.Close, encodeClose(4000));
    if (role === "client") peer.conn.close();
    assertEquals(await closed, { code: 4000, reason: "", wasClean: true });
    assertEquals(openHandles(), 0);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: a stream of a compressed message can be limited, and cancelled`, async () => {
    const { peer, conn } = await rawPair(role);
    const payload = compressed(new Uint8Array(32 * MiB)); // more than maxMessageSize
    await peer.send(Opcode.Binary, payload, { rsv1: true });
    await peer.send(Opcode.Text, compressed("next"), { rsv1: true });
    await (await conn.recvStream())!.cancel();
    assertEquals(await conn.recv(), "next");

    await peer.send(Opcode.Binary, payload, { rsv1: true });
    const limited = (await conn.recvStream({ maxMessageSize: 100_000 }))!;
    let received = 0;
    const failure = await assertRejects(async () => {
      for await (const piece of limited) received += piece.length;
    }, WsProtocolError);
    assertEquals(failure.closeCode, 1009);
    assertLess(received, 100_001);
    assertEquals((await peer.next())![0], 0x88);
    peer.conn.close();
    await conn.finished;
    assertEquals(openHandles(), 0);
  });

  Deno.test(`${role}: a connection lost while it compresses or inflates settles all that waits`, async () => {
    const random = randomBytes(seeded(1), MiB);
    const large = concat(new Array(16).fill(random));
    for (const doing of ["send", "sendStream", "recv", "recvStream"] as const) {
      const { peer, conn } = await rawPair(role);
      const asked = {
        send: () => assertRejects(() => conn.send(large), WsConnectionClosed),
        sendStream: () =>
          assertRejects(
            () => conn.sendStream(new Blob([large]).stream(), { type: "binary" }),
            WsConnectionClosed,
          ),
        recv: () => assertRejects(() => conn.recv(), WsConnectionLost),
        recvStream: async () => {
          const message = await conn.recvStream();
          await assertRejects(() => toText(message!), WsConnectionLost);
        },
      }[doing]();
      if (doing.startsWith("recv")) {
        const payload = compressed(new Uint8Array(8 * MiB));
        await peer.send(Opcode.Text, payload, { rsv1: true, fin: false });
      }
      peer.conn.close();
      assertEquals((await conn.finished).code, 1006);
      await asked;
      assertEquals(openHandles(), 0);
    }
  });

  Deno.test(`${role}: close() while it inflates answers the Close at once, and frees zlib`, async () => {
    const { peer, conn } = await rawPair(role, true, { maxMessageSize: Infinity });
    const part = compressed(new Uint8Array(64 * MiB), { level: 9 });
    await peer.send(Opcode.Binary, part, { rsv1: true, fin: false });
    const message = (await conn.recvStream())!;
    const reader = message.getReader();
    assertLess((await reader.read()).value!.length, 64 * KiB);
    const closed = conn.close(4000);
    assertEquals(await peer.next(), [0x88, encodeClose(4000)]);
    await assertRejects(() => reader.closed, WsConnectionLost);
    assertEquals(openHandles(), 0);
    await peer.send(Opcode.Close, encodeClose(4000));
    if (role === "client") peer.conn.close();
    assertEquals((await closed).code, 4000);
    peer[Symbol.dispose]();
  });
}

Deno.test("messages keep their order: compressed ones, short ones and streams, hundreds in flight", async () => {
  for (const compression of [true, { serverNoContextTakeover: true, clientMaxWindowBits: 9 }]) {
    const { server, client } = await pair({ compression: true }, { compression });
    const random = seeded(6);
    const source = "so mé text, and more of it; ".repeat(20_000);
    const texts = Array.from({ length: 400 }, (_, at) => {
      const length = random(2 ** random(18));
      return `${at}: ${source.slice(random(1000)).slice(0, length)}`;
    });
    const echo = async () => {
      for await (const message of server) void server.send(message);
    };
    const echoing = echo();
    const sending = texts.map((text, at) =>
      at % 7 === 0
        ? client.sendStream(ReadableStream.from([text.slice(0, 10), text.slice(10)]), {
          type: "text",
        })
        : client.send(text)
    );
    for (const [at, text] of texts.entries()) {
      if (at % 5 === 0) assertEquals(await toText((await client.recvStream())!), text);
      else assertEquals(await client.recv(), text);
    }
    await Promise.all(sending);
    // what was sent before close() arrives before the Close
    const last = randomBytes(random, 3 * MiB);
    const received = client.recv();
    void server.send(last);
    void server.close();
    assertEquals(await received, last);
    assertEquals(await client.recv(), null);
    await echoing;
  }
});
