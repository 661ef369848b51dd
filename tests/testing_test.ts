/** Connections in memory: what `@wsconn/ws/testing` gives behaves as TCP does, and needs no permission. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { toBytes } from "@std/streams/unstable-to-bytes";
import { wsConnect, WsConnectionLost, WsHandshakeError, wsServe } from "../mod.ts";
import { MemoryListener, wsPair, type WsPairOptions } from "../testing.ts";
import { randomBytes, seeded } from "./helpers/bytes.ts";
import { echo } from "./helpers/sockets.ts";

const without = { permissions: "none" } as const;

Deno.test(
  "wsPair: messages of any length go both ways, with a real handshake",
  without,
  async () => {
    const { client, server } = await wsPair({
      url: "ws://memory/path?query",
      client: { headers: { "x-name": "Ada" }, protocols: ["a", "b"], compression: true },
      server: { protocols: ["b"], compression: true },
    });
    assertEquals(server.line, "GET /path?query HTTP/1.1");
    assertEquals(server.headers.get("x-name"), "Ada");
    assertEquals([client.protocol, client.extensions.split(";")[0]], ["b", "permessage-deflate"]);
    void echo(server);
    for (const length of [0, 1, 125, 65536, 1 << 20]) {
      const bytes = randomBytes(seeded(length), length);
      await client.send(bytes);
      assertEquals(await client.recv(), bytes);
    }
    assert(await client.ping() >= 0);
    assertEquals(await client.close(3000, "bye"), { code: 3000, reason: "bye", wasClean: true });
    assertEquals(await server.finished, { code: 3000, reason: "bye", wasClean: true });
  },
);

Deno.test(
  "wsPair: what the server's end refuses is thrown, and leaves nothing",
  without,
  async () => {
    const origins = "https://example.com";
    const error = await assertRejects(
      () =>
        wsPair({ client: { headers: { origin: "https://evil" } }, server: { origins: [origins] } }),
      WsHandshakeError,
    );
    assertEquals(error.status, 403);
  },
);

Deno.test(
  "wsPair: a mistake in the options of either end is thrown at once, as it is",
  without,
  async () => {
    const mistakes: [WsPairOptions, new () => Error, string][] = [
      [{ url: "no URL" }, SyntaxError, '"no URL": it is not a URL'],
      [{ client: { protocols: "a b" } }, SyntaxError, 'subprotocol "a b"'],
      [{ client: { maxMessageSize: -1 } }, RangeError, "maxMessageSize"],
      [{ client: { signal: AbortSignal.abort() } }, DOMException, "aborted"],
      [{ server: { maxMessageSize: -1 } }, RangeError, "maxMessageSize"],
      [{ server: { protocols: ["a b"] } }, SyntaxError, 'subprotocol "a b"'],
      [
        {
          server: {
            connHeaders: () => {
              throw new EvalError("no");
            },
          },
        },
        EvalError,
        "no",
      ],
    ];
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("One end waits for the other")), 8000);
    for (const [options, type, text] of mistakes) {
      await assertRejects(() => Promise.race([wsPair(options), late]), type, text);
    }
    clearTimeout(timer);
  },
);

Deno.test("wsPair: an end that reads nothing holds the other back", without, async () => {
  const { client, server } = await wsPair();
  const part = new Uint8Array(64 * 1024);
  let sent = 0;
  let stalled = false;
  const sending = (async () => {
    for (; sent < 64; sent++) await client.send(part);
  })();
  // the turns of the event loop that it takes to fill what there is to fill
  for (let before = -1; !stalled; stalled = before === sent, before = sent) {
    for (let turn = 0; turn < 10; turn++) await new Promise((done) => setTimeout(done));
  }
  assert(sent < 16, `${sent} of 64 KiB each were taken`);
  for (let got = 0; got < 64; got++) assertEquals((await server.recv())?.length, part.length);
  await sending;
  await client.close();
  await server.finished;
});

Deno.test("MemoryListener: a whole server, until it shuts down", without, async () => {
  const network = new MemoryListener();
  const server = wsServe(echo, { listen: () => network });
  assertEquals(server.addr, network.addr);
  const conns = await Promise.all(
    Array.from({ length: 10 }, () => wsConnect("ws://memory/", { conn: network.connect() })),
  );
  for (const conn of conns) await conn.send("hello");
  for (const conn of conns) assertEquals(await conn.recv(), "hello");
  await server.shutdown();
  for (const conn of conns) assertEquals((await conn.finished).code, 1001);
  assertThrows(() => network.connect(), Deno.errors.ConnectionRefused);
  await assertRejects(() => network.accept(), Deno.errors.BadResource);
});

Deno.test(
  "MemoryListener: a connection that is closed without a Close is lost to the other end",
  without,
  async () => {
    using network = new MemoryListener();
    const accepted = network.accept();
    const raw = network.connect();
    const conn = await accepted;
    const server = wsServe((conn) => echo(conn), { listen: () => network, onError: () => {} });
    const lost = network.connect();
    const client = await wsConnect("ws://memory/", { conn: lost });
    lost.close();
    assertInstanceOf(await client.recv().catch((error) => error), WsConnectionLost);
    await server.shutdown();

    await raw.write(new TextEncoder().encode("the last words"));
    raw.close();
    assertEquals(new TextDecoder().decode(await toBytes(conn.readable)), "the last words");
    await assertRejects(() => conn.write(new Uint8Array(1)), Deno.errors.BrokenPipe);
    await assertRejects(() => raw.read(new Uint8Array(1)), Deno.errors.BadResource);
    conn.close();
  },
);

Deno.test(
  "MemoryListener: half of a connection can be closed, and its streams carry bytes",
  without,
  async () => {
    using network = new MemoryListener();
    const client = network.connect();
    const [server] = await Promise.all([network.accept(), client.closeWrite()]);
    assertEquals(await server.read(new Uint8Array(1)), null);
    const writer = server.writable.getWriter();
    const bytes = randomBytes(seeded(1), 200_000);
    const writing = writer.write(bytes).then(() => server.close());
    assertEquals(await toBytes(client.readable), bytes);
    await writing;
    client.close();
  },
);

Deno.test(
  "MemoryListener: iteration ends when it is closed, and what waited is closed",
  without,
  async () => {
    const network = new MemoryListener();
    const waiting = network.connect();
    const taken: Deno.Conn[] = [];
    for await (const conn of network) {
      taken.push(conn);
      waiting.close();
      const late = network.connect();
      network.close();
      assertEquals(await late.read(new Uint8Array(1)), null);
      late.close();
    }
    assertEquals(taken.length, 1);
    taken[0]!.close();
  },
);
