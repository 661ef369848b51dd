/** What `conn.stats` and `server.stats` count, to the byte. */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { type Traffic, type WsConn, wsConnect, wsServe } from "../mod.ts";
import { FIN } from "../framing/frame.ts";
import { Opcode } from "../framing/mod.ts";
import { LOCAL, pair, RawPeer } from "./helpers/sockets.ts";

const NOTHING: Traffic = { messages: 0, bytes: 0, wireBytes: 0 };
/** Frame headers (RFC 6455 §5.2): the mask of a client takes four bytes more. */
const HEADER = 2, MASK = 4;

Deno.test("a new connection has neither sent nor received anything", async () => {
  const { server, client } = await pair();
  for (const { stats } of [server, client]) {
    assertEquals(stats, { sent: NOTHING, received: NOTHING, roundTripTime: undefined });
  }
  await client.close();
});

Deno.test("stats are a snapshot: what comes later does not change them", async () => {
  const { server, client } = await pair();
  const { sent, received } = client.stats;
  await server.send("x");
  assertEquals(await client.recv(), "x");
  assertEquals([sent, received], [NOTHING, NOTHING]);
  assertEquals(client.stats.received.messages, 1);
  await client.close();
});

/** What is sent, how many bytes it has, and how long the header of its frame is. */
const MESSAGES: [message: string | Uint8Array, bytes: number, header: number][] = [
  ["", 0, 2],
  ["Hello", 5, 2],
  ["Grüße, 世界 👋", 20, 2],
  ["\ud800", 3, 2], // as U+FFFD
  [new Uint8Array(125), 125, 2],
  ["é".repeat(63), 126, 4],
  [new Uint8Array(65535), 65535, 4],
  [new Uint8Array(65536), 65536, 10],
  ["x".repeat(1 << 20), 1 << 20, 10],
];

Deno.test("every message counts with its bytes, and on the wire with header and mask, both ways", async () => {
  const { server, client } = await pair();
  const due = { up: { ...NOTHING }, down: { ...NOTHING } };
  for (const [message, bytes, header] of MESSAGES) {
    await client.send(message);
    await server.send((await server.recv())!);
    await client.recv();
    for (const [way, mask] of [["up", MASK], ["down", 0]] as const) {
      due[way].messages++;
      due[way].bytes += bytes;
      due[way].wireBytes += header + mask + bytes;
    }
    assertEquals(client.stats.sent, due.up);
    assertEquals(server.stats.received, due.up);
    assertEquals(server.stats.sent, due.down);
    assertEquals(client.stats.received, due.down);
  }
  await client.close();
});

Deno.test("control frames count on the wire only; a fragmented message counts once, when it is complete", async () => {
  const { peer, conn } = await RawPeer.against("client");
  using _ = peer;
  const received = { ...NOTHING };
  const frames: [opcode: number, payload: string, fin: boolean, messages: number, bytes: number][] =
    [
      [Opcode.Ping, "are you there?", true, 0, 0],
      [Opcode.Text, "Gr", false, 0, 0],
      [Opcode.Pong, "", true, 0, 0],
      [Opcode.Continuation, "ü", false, 0, 0],
      [Opcode.Continuation, "ße", true, 1, 7],
      [Opcode.Binary, "", true, 1, 0],
    ];
  for (const [opcode, payload, fin, messages, bytes] of frames) {
    await peer.send(opcode, payload, { fin });
    received.messages += messages;
    received.bytes += bytes;
    received.wireBytes += HEADER + MASK + new TextEncoder().encode(payload).length;
    // its Pong shows that all before it has been read
    await peer.send(Opcode.Ping, "read?");
    received.wireBytes += HEADER + MASK + 5;
    while (new TextDecoder().decode((await peer.next())![1]) !== "read?");
    assertEquals(conn.stats.received, received);
  }
  assertEquals(conn.stats.sent, { ...NOTHING, wireBytes: 14 + HEADER + 6 * (HEADER + 5) });
  assertEquals(await conn.recv(), "Grüße"); // it counted before anybody took it
  await peer.send(Opcode.Close);
  await conn.finished;
  assertEquals(conn.stats.received, {
    ...received,
    wireBytes: received.wireBytes + HEADER + MASK,
  });
});

Deno.test("what comes with the handshake counts, what comes after the Close counts on the wire only", async () => {
  using listener = Deno.listen(LOCAL);
  const frame = Uint8Array.of(0x81, 0x01, 0x78);
  const [peer, conn] = await Promise.all([
    RawPeer.accept(listener, frame),
    wsConnect(`ws://127.0.0.1:${listener.addr.port}/`),
  ]);
  using _ = peer;
  assertEquals(conn.stats.received, { messages: 1, bytes: 1, wireBytes: 3 });
  const closing = conn.close();
  assertEquals((await peer.next())![0], FIN | Opcode.Close);
  await peer.send(Opcode.Text, "late");
  await peer.send(Opcode.Close, Uint8Array.of(0x03, 0xe8));
  peer.conn.close();
  await closing;
  assertEquals(conn.stats.received, { messages: 1, bytes: 1, wireBytes: 3 + 6 + 4 });
  assertEquals(conn.stats.sent, { messages: 0, bytes: 0, wireBytes: HEADER + MASK + 2 });
});

Deno.test("compressed messages count with what they inflate to, and on the wire with what they take", async () => {
  const compression = { threshold: 0 };
  const { server, client } = await pair({ compression }, { compression });
  // the "Hello" of RFC 7692 §7.2.3.1, and §7.2.3.2 once more with the window of the first
  for (const [round, length] of [7, 5].entries()) {
    const before = client.stats.received.wireBytes;
    await server.send("Hello");
    assertEquals(await client.recv(), "Hello");
    const { messages, bytes, wireBytes } = client.stats.received;
    assertEquals([messages, bytes], [round + 1, 5 * (round + 1)]);
    assertEquals(wireBytes - before, HEADER + length);
    assertEquals(server.stats.sent, client.stats.received);
  }
  const text = "again and ".repeat(10_000);
  await client.sendStream(ReadableStream.from([text, text]), { type: "text" });
  assertEquals((await server.recv())!.length, 200_000);
  const { messages, bytes, wireBytes } = server.stats.received;
  assertEquals([messages, bytes], [1, 200_000]);
  assert(wireBytes < 20_000, `${wireBytes} bytes on the wire`);
  await client.close();
});

Deno.test("sendStream and recvStream count the message once, at its end", async () => {
  const { server, client } = await pair();
  const { readable, writable } = new TransformStream<string, string>();
  const writer = writable.getWriter();
  const sending = server.sendStream(readable, { type: "text" });
  await writer.write("ab");
  const message = (await client.recvStream())!;
  assertEquals(client.stats.received, { messages: 0, bytes: 0, wireBytes: HEADER + 2 });
  assertEquals(server.stats.sent, { messages: 0, bytes: 0, wireBytes: HEADER + 2 });
  await writer.write("ü");
  await writer.close();
  await sending;
  assertEquals((await Array.fromAsync(message)).length, 2);
  const due = { messages: 1, bytes: 4, wireBytes: 3 * HEADER + 4 };
  assertEquals(client.stats.received, due);
  assertEquals(server.stats.sent, due);
  await client.close();
});

Deno.test("a message that could not be sent to its end is none", async () => {
  const { server, client } = await pair();
  const source = ReadableStream.from((async function* () {
    await Promise.resolve();
    yield "begun";
    throw new Error("no more");
  })());
  await server.sendStream(source, { type: "text" }).catch(() => {});
  await client.recv().catch(() => {});
  await Promise.all([server.finished, client.finished]);
  for (const { messages, bytes } of [server.stats.sent, client.stats.received]) {
    assertEquals([messages, bytes], [0, 0]);
  }
});

for (const [framing, overhead] of [["old", 2], ["new", 9]] as const) {
  Deno.test(`the drafts count too: hixie-76, "${framing}" framing`, async () => {
    const { server, client } = await pair({ framing }, { framing, version: "hixie-76" });
    await client.send("Grüße");
    await server.send((await server.recv())!);
    assertEquals(await client.recv(), "Grüße");
    const due = { messages: 1, bytes: 7, wireBytes: overhead + 7 };
    for (const { stats } of [client, server]) {
      assertEquals(stats, { sent: due, received: due, roundTripTime: undefined });
    }
    await client.close();
  });
}

Deno.test("roundTripTime is that of the last ping()", async () => {
  const { server, client } = await pair();
  for (let i = 0; i < 3; i++) assertEquals(await client.ping(), client.stats.roundTripTime);
  assertEquals(server.stats.roundTripTime, undefined);
  await client.close();
});

Deno.test("roundTripTime is also that of the Pings of pingInterval; Pongs that nobody asked for are none", async () => {
  const { peer, conn } = await RawPeer.against("client", { pingInterval: 0.05, pingTimeout: 0 });
  using _ = peer;
  await peer.send(Opcode.Pong);
  await peer.send(Opcode.Ping, "read?");
  assertEquals((await peer.next())![0], FIN | Opcode.Pong);
  assertEquals(conn.stats.roundTripTime, undefined);
  const ping = await peer.next();
  assertEquals(ping, [FIN | Opcode.Ping, new Uint8Array()]);
  const begin = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 20)); // what is to be measured
  const least = performance.now() - begin;
  await peer.send(Opcode.Pong, ping![1]);
  await peer.send(Opcode.Text, "read?");
  await conn.recv();
  const { roundTripTime } = conn.stats;
  assertGreaterOrEqual(roundTripTime!, least);
  await peer.send(Opcode.Pong); // a second answer to the same Ping
  await peer.send(Opcode.Text, "read?");
  await conn.recv();
  assertEquals(conn.stats.roundTripTime, roundTripTime);
  await peer.send(Opcode.Close);
  await conn.finished;
});

Deno.test("server.stats: opened, refused and open connections, and nothing else", async () => {
  const refused: unknown[] = [];
  let told = Promise.withResolvers<void>();
  const conns: WsConn[] = [];
  const server = wsServe((conn) => void conns.push(conn), {
    ...LOCAL,
    maxConnections: 3,
    onRequest: () => new Response("a page"),
    connHeaders: (line) =>
      line.includes("/no") ? new Response(null, { status: 401 }) : { state: undefined },
    onError: (error) => {
      refused.push(error);
      told.resolve();
    },
  });
  const counted = () => {
    const { accepted, refused, open } = server.stats;
    return { accepted, refused, open };
  };
  assertEquals(server.stats, {
    accepted: 0,
    refused: 0,
    open: 0,
    sent: NOTHING,
    received: NOTHING,
  });
  const { port } = server.addr as Deno.NetAddr;
  assertEquals(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "a page");

  const openings: [what: string, act: () => Promise<unknown>][] = [
    ["another origin", () => wsConnect(server.url, { headers: { origin: "http://elsewhere" } })],
    ["half a request", async () => {
      using conn = await Deno.connect({ port });
      await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
    }],
  ];
  for (const [what, act] of openings) {
    told = Promise.withResolvers();
    await act().catch(() => {});
    await told.promise;
    assertEquals(counted().refused, refused.length, what);
  }
  const clients = [];
  for (let i = 0; i < 3; i++) clients.push(await wsConnect(server.url));
  await Promise.all(clients.map((client) => client.ping()));
  assertEquals(counted(), { accepted: 3, refused: 2, open: 3 });
  await wsConnect(server.url).catch(() => {});
  assertEquals(counted(), { accepted: 3, refused: 3, open: 3 });
  await clients[0]!.close();
  await conns[0]!.finished;
  assertEquals(counted(), { accepted: 3, refused: 3, open: 2 });
  await wsConnect(`${server.url}no`).catch(() => {}); // counts when all of the answer is sent
  await server.shutdown();
  assertEquals(counted(), { accepted: 3, refused: 4, open: 0 });
});

Deno.test("server.stats: traffic is summed over all connections, those that have ended included", async () => {
  const conns: WsConn[] = [];
  await using server = wsServe(async (conn) => {
    conns.push(conn);
    for await (const message of conn) await conn.send(message);
  }, LOCAL);
  for (let i = 0; i < 10; i++) {
    const client = await wsConnect(server.url);
    await client.send("Hello");
    assertEquals(await client.recv(), "Hello");
    if (i % 2 === 0) continue;
    await client.close();
    await conns[i]!.finished;
  }
  const closes = 5 * (HEADER + 2);
  assertEquals(server.stats, {
    accepted: 10,
    refused: 0,
    open: 5,
    sent: { messages: 10, bytes: 50, wireBytes: 10 * (HEADER + 5) + closes },
    received: {
      messages: 10,
      bytes: 50,
      wireBytes: 10 * (HEADER + MASK + 5) + closes + 5 * MASK,
    },
  });
});
