/** What Racket's net/websocket had, row by row of the README's table, over real sockets. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { toText } from "@std/streams";
import {
  framingMode,
  isWssUrl,
  isWsUrl,
  type Version,
  wsAccept,
  wsConnect,
  WsConnectionLost,
  WsHandshakeError,
  WsProtocolError,
  wsServe,
} from "../mod.ts";
import { readAtLeast } from "../transport.ts";
import { certs } from "./helpers/certs.ts";
import { bytesOf, unhex } from "./helpers/bytes.ts";
import { MemoryListener } from "../testing.ts";
import { echo, LOCAL, pair, RawPeer } from "./helpers/sockets.ts";

const ALL: Version[] = ["rfc6455", "hixie-76", "hixie-75"];

for (const version of ["hixie-76", "hixie-75"] as const) {
  for (const framing of ["old", "new"] as const) {
    Deno.test(`${version}, ${framing} framing: both roles, text of every length, over TCP and TLS`, async () => {
      for (const tls of [undefined, certs.server]) {
        await using server = wsServe(echo, {
          ...LOCAL,
          ...tls,
          versions: ALL,
          framing,
          protocols: ["a"],
        });
        const conn = await wsConnect(server.url + "path?query", {
          version,
          framing,
          protocols: "a",
          caCerts: [certs.ca],
        });
        assertEquals([conn.version, conn.protocol], [version, "a"]);
        for (const length of [0, 1, 126, 1024, 65_536, 1 << 20]) {
          const text = "é".repeat(length);
          void conn.send(text);
          assert(await conn.recv() === text, `${length} characters`);
        }
        await assertRejects(() => conn.send(Uint8Array.of(1)), TypeError, "carries text only");
        await assertRejects(() => conn.ping(), TypeError, "has no Ping");
        await conn.send("unharmed");
        assertEquals(await conn.recv(), "unharmed");
        const [peer] = server.connections;
        assertEquals(await conn.close(), { code: 1005, reason: "", wasClean: true });
        assertEquals(await peer!.finished, { code: 1005, reason: "", wasClean: true });
        assertEquals(await conn.recv(), null);
      }
    });
  }

  Deno.test(`${version}: the server closes, and the client gets what came before`, async () => {
    await using server = wsServe(async (conn) => {
      await conn.send("one");
      await conn.send("two");
    }, { ...LOCAL, versions: ALL });
    const conn = await wsConnect(server.url, { version });
    assertEquals(await Array.fromAsync(conn), ["one", "two"]);
    assertEquals(await conn.finished, { code: 1005, reason: "", wasClean: true });
  });

  Deno.test(`${version}: back-pressure, limits and errors as for RFC 6455`, async () => {
    using listener = Deno.listen(LOCAL);
    const accepting = listener.accept().then((conn) =>
      wsAccept(conn, { versions: ALL, maxMessageSize: 1000 })
    );
    const client = await wsConnect(`ws://127.0.0.1:${listener.addr.port}/`, {
      version,
      closeTimeout: 0.1,
    });
    const server = await accepting;
    await client.send("x".repeat(1000));
    assertEquals((await server.recv())?.length, 1000);
    await client.send("x".repeat(1001));
    const error = await assertRejects(() => server.recv(), WsProtocolError, "at most 1000");
    assertEquals(error.closeCode, 1009);
    await client.finished;
    await server.finished;
  });
}

Deno.test("hixie-76 over TCP by hand: the challenge, its answer apart, text, closing frame", async () => {
  await using server = wsServe(echo, LOCAL);
  using conn = await Deno.connect({ ...(server.addr as Deno.NetAddr), transport: "tcp" });
  const head = "GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nSec-WebSocket-Protocol: sample\r\n" +
    "Upgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n" +
    "Content-Length: 8\r\n\r\n"; // as Perl's client sends it
  for (const part of [head, "^n:", "ds[4U"]) await conn.write(bytesOf(part)); // hybi-00 §1.2
  const expected =
    "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com/demo\r\n\r\n" +
    "8jKS'y:G*Co,Wxa-";
  await conn.write(unhex("00 4869 ff"));
  const answer = (await readAtLeast(conn, new Uint8Array(), expected.length + 4))!;
  assertEquals(new TextDecoder().decode(answer.subarray(0, expected.length)), expected);
  assertEquals(answer.subarray(expected.length), unhex("00 4869 ff"));
  await conn.write(unhex("ff00"));
  assertEquals(await readAtLeast(conn, new Uint8Array(), 2), unhex("ff00"));
  assertEquals(await conn.read(new Uint8Array(1)), null);
});

Deno.test("hixie-76: a bad challenge is 400, hixie-75 is spoken on request only", async () => {
  await using server = wsServe(echo, LOCAL);
  const ask = async (text: string) => {
    const conn = await Deno.connect({ ...(server.addr as Deno.NetAddr), transport: "tcp" });
    await conn.write(bytesOf(text));
    return await toText(conn.readable);
  };
  const opening = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n";
  const key = "Sec-WebSocket-Key1: 12345\r\nSec-WebSocket-Key2: 1 2\r\n\r\n12345678";
  assertMatch(await ask(opening + key), /^HTTP\/1\.1 400 [^]*no spaces/);
  assertMatch(await ask(opening + "\r\n"), /^HTTP\/1\.1 426 [^]*hixie-75 is not spoken/);
  await assertRejects(() => wsConnect(server.url, { version: "hixie-75" }), WsHandshakeError);
});

Deno.test("hixie-76: a wrong answer to the challenge fails, one that is late or in pieces does not", async () => {
  for (const wrong of [false, true]) {
    using listener = Deno.listen(LOCAL);
    const serving = (async () => {
      using conn = await listener.accept();
      conn.setNoDelay();
      const { HeadReader } = await import("../handshake/head.ts");
      const { readHead } = await import("../transport.ts");
      const { answerTo } = await import("../handshake/challenge.ts");
      const reader = new HeadReader();
      await readHead(conn, reader);
      const key3 = (await readAtLeast(conn, reader.rest, 8))!;
      const { headers } = reader.request();
      const key1 = headers.get("sec-websocket-key1")!, key2 = headers.get("sec-websocket-key2")!;
      assertEquals(headers.get("content-length"), null);
      const answer = answerTo({ key1, key2, key3 });
      if (wrong) answer[15]! ^= 1;
      await conn.write(bytesOf(
        "HTTP/1.1 101 x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
          `Sec-WebSocket-Origin: ${headers.get("origin")}\r\n` +
          `Sec-WebSocket-Location: ws://${headers.get("host")}/\r\n\r\n`,
      ));
      for (const byte of answer) await conn.write(Uint8Array.of(byte));
      await conn.write(unhex("006869ff"));
      await conn.read(new Uint8Array(2)); // the client's closing frame, or its end
    })();
    const connecting = wsConnect(`ws://127.0.0.1:${listener.addr.port}/`, {
      version: "hixie-76",
      closeTimeout: 0.05,
    });
    if (wrong) {
      await assertRejects(() => connecting, WsHandshakeError, "answer to the challenge is wrong");
    } else {
      await using conn = await connecting;
      assertEquals(await conn.recv(), "hi");
    }
    await serving;
  }
});

Deno.test("hixie-75: the end of TCP is the end; within a message it is a loss", async () => {
  for (const [sent, isLoss] of [["0061ff", false], ["0061ff0062", true]] as const) {
    using listener = Deno.listen(LOCAL);
    const accepting = listener.accept().then((conn) => wsAccept(conn, { versions: ["hixie-75"] }));
    const conn = await Deno.connect({ ...listener.addr, transport: "tcp" });
    await conn.write(
      bytesOf("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"),
    );
    const server = await accepting;
    await conn.write(unhex(sent));
    await conn.read(new Uint8Array(1000));
    conn.close();
    assertEquals(await server.recv(), "a");
    if (isLoss) await assertRejects(() => server.recv(), WsConnectionLost);
    else assertEquals(await server.recv(), null);
    assertEquals((await server.finished).wasClean, !isLoss);
  }
});

Deno.test("framingMode decides when a connection is made, framing for one call", async () => {
  await using server = wsServe(echo, LOCAL);
  framingMode("new");
  const [one, two] = [
    await wsConnect(server.url, { version: "hixie-76" }),
    await wsConnect(server.url),
  ];
  framingMode("old");
  const three = await wsConnect(server.url, { version: "hixie-76" });
  for (const conn of [one, two, three]) {
    await conn.send("x");
    assertEquals(await conn.recv(), "x");
    await conn.close();
  }
  assertThrows(
    () => wsServe(echo, { ...LOCAL, framing: "newer" as "new" }),
    TypeError,
    "framing must be",
  );
});

Deno.test("connHeaders: headers for the client, state for the handler, now or later", async () => {
  const seen: unknown[] = [];
  await using server = wsServe<{ user: string }>(async (conn, state) => {
    await conn.send(`Hello ${state.user}`);
  }, {
    ...LOCAL,
    connHeaders: async (line, headers, { version, secure, remoteAddr }) => {
      await Promise.resolve();
      seen.push(line, version, secure, (remoteAddr as Deno.NetAddr).hostname);
      return { headers: { "x-greeting": "hi" }, state: { user: headers.get("x-user") ?? "?" } };
    },
  });
  await using conn = await wsConnect(server.url + "x", { headers: { "x-user": "Ada" } });
  assertEquals(conn.headers.get("x-greeting"), "hi");
  assertEquals(await conn.recv(), "Hello Ada");
  assertEquals(seen, ["GET /x HTTP/1.1", "rfc6455", false, "127.0.0.1"]);
});

Deno.test("connHeaders: a Response refuses, an error is 500 and reaches onError", async () => {
  const errors: unknown[] = [];
  let result: () => Response | { headers?: HeadersInit; state: undefined };
  await using server = wsServe(echo, {
    ...LOCAL,
    connHeaders: () => result(),
    onError: (error) => errors.push(error),
  });
  result = () =>
    new Response("who are you?", { status: 401, headers: { "www-authenticate": "Basic" } });
  const refused = await assertRejects(() => wsConnect(server.url), WsHandshakeError);
  assertEquals([refused.status, refused.headers.get("www-authenticate")], [401, "Basic"]);
  assertEquals(new TextDecoder().decode(refused.body), "who are you?");
  result = () => {
    throw new Error("mine");
  };
  assertEquals((await assertRejects(() => wsConnect(server.url), WsHandshakeError)).status, 500);
  result = () => ({ headers: { "x": "a\r\nb" }, state: undefined });
  assertEquals((await assertRejects(() => wsConnect(server.url), WsHandshakeError)).status, 500);
  result = () => ({ headers: { upgrade: "h2c" }, state: undefined });
  assertEquals((await assertRejects(() => wsConnect(server.url), WsHandshakeError)).status, 500);
  await server.shutdown();
  assertEquals(errors.map((error) => (error as Error).message.split(":")[0]), [
    "mine",
    "Cannot set header x",
    "Cannot set header upgrade",
  ]);

  using listener = Deno.listen(LOCAL);
  const accepting = listener.accept().then((conn) =>
    wsAccept(conn, { connHeaders: () => new Response(null, { status: 404 }) })
  );
  const connecting = wsConnect(`ws://127.0.0.1:${listener.addr.port}/`);
  const both = [accepting, connecting].map((side) => assertRejects(() => side, WsHandshakeError));
  assertEquals((await Promise.all(both)).map((error) => error.status), [404, 404]);
});

Deno.test("origins: a page of another host gets 403 that says what lets it in", async () => {
  await using server = wsServe(echo, LOCAL);
  const own = server.url.replace("ws:", "http:").slice(0, -1);
  await using conn = await wsConnect(server.url, { headers: { origin: own } });
  assertEquals(conn.closed, false);
  for (const version of ["rfc6455", "hixie-76"] as const) {
    const options = { version, headers: { origin: "https://evil.example" } };
    const error = await assertRejects(() => wsConnect(server.url, options), WsHandshakeError);
    assertEquals(error.status, 403);
    assertMatch(
      new TextDecoder().decode(error.body),
      /"https:\/\/evil\.example" is not allowed; .* "origins"/,
    );
  }
});

Deno.test("listen brings any listener: TLS, a Unix socket, one in memory", async () => {
  await using tls = wsServe((conn) => conn.send("tls"), {
    ...LOCAL,
    listen: ({ hostname, port }) =>
      Deno.listenTls({ hostname: hostname!, port: port!, ...certs.server }),
    connHeaders: (_line, _headers, { secure }) => ({
      headers: { "x-secure": `${secure}` },
      state: undefined,
    }),
  });
  const { port } = tls.addr as Deno.NetAddr;
  await using secure = await wsConnect(`wss://127.0.0.1:${port}/`, { caCerts: [certs.ca] });
  assertEquals([secure.headers.get("x-secure"), await secure.recv()], ["true", "tls"]);

  const folder = await Deno.makeTempDir();
  const path = `${folder}/socket`;
  const unix = wsServe((conn) => conn.send("unix"), {
    listen: () => Deno.listen({ transport: "unix", path }),
  });
  assertEquals(unix.addr, { transport: "unix", path });
  const over = await wsConnect("ws://here/", {
    conn: await Deno.connect({ transport: "unix", path }),
  });
  assertEquals(await over.recv(), "unix");
  await over.close();
  await unix.shutdown();
  await Deno.remove(folder, { recursive: true });

  const memory = new MemoryListener();
  const server = wsServe(echo, { listen: () => memory });
  const conn = await wsConnect("ws://memory/", { conn: memory.connect() });
  await conn.send("no socket at all");
  assertEquals(await conn.recv(), "no socket at all");
  assertEquals(await conn.close(), { code: 1000, reason: "", wasClean: true });
  await server.shutdown();
});

Deno.test("maxWaiting is the listen backlog: a server that does not accept keeps no more waiting", async () => {
  for (const [maxWaiting, atMost] of [[1, 3], [100, 100]] as const) {
    await using server = wsServe(echo, { ...LOCAL, maxWaiting });
    const { port } = server.addr as Deno.NetAddr;
    // while the child runs, this process does nothing, so nothing is accepted
    const script = `
      const tries = Array.from({ length: 20 }, () => Promise.race([
        Deno.connect({ hostname: "127.0.0.1", port: ${port} }).then(() => 1, () => 0),
        new Promise((done) => setTimeout(done, 400, 0)),
      ]));
      console.log((await Promise.all(tries)).reduce((sum, one) => sum + one));
      Deno.exit();`;
    const { stdout } = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", script],
    }).outputSync();
    const connected = Number(new TextDecoder().decode(stdout));
    assert(
      connected >= 1 && connected <= atMost,
      `${connected} of 20 with maxWaiting ${maxWaiting}`,
    );
    assert(
      maxWaiting === 1 || connected === 20,
      `${connected} of 20 with maxWaiting ${maxWaiting}`,
    );
  }
});

Deno.test("ready() races connections and loses no message of the loser", async () => {
  const [a, b] = [await pair(), await pair()];
  const got: string[] = [];
  const sending = (async () => {
    for (let i = 0; i < 50; i++) {
      await (i % 3 === 0 ? a : b).client.send(`${i}`);
      if (i % 7 === 0) await a.client.ping();
    }
    await Promise.all([a.client.close(), b.client.close()]);
  })();
  const open = new Set([a.server, b.server]);
  while (open.size > 0) {
    const conn = await Promise.race(Array.from(open, (conn) => conn.ready().then(() => conn)));
    const message = await conn.recv();
    if (message === null) open.delete(conn);
    else got.push(message as string);
  }
  await sending;
  assertEquals(got.map(Number).sort((x, y) => x - y), Array.from({ length: 50 }, (_, i) => i));
});

Deno.test("ready() between iterations, at the end, and after a failure", async () => {
  const { server, client } = await pair();
  for (let i = 0; i < 3; i++) await client.send(`${i}`);
  for await (const message of server) {
    if (message === "1") break;
    await server.ready();
  }
  await server.ready();
  assertEquals(await server.recv(), "2");
  const ready = server.ready();
  await client.close();
  await ready;
  assertEquals(await server.recv(), null);
  await server.ready();
  await server.finished;

  const { peer, conn } = await RawPeer.against("client");
  await peer.write(Uint8Array.of(0xff, 0xff));
  await conn.ready();
  assertInstanceOf(await conn.recv().catch((error) => error), WsProtocolError);
  await conn.ready();
  peer.conn.close();
  await conn.finished;
});

Deno.test("isWsUrl and isWssUrl", () => {
  assert(isWsUrl(new URL("ws://a/")) && isWssUrl(new URL("wss://a/")));
  for (const x of ["ws://a/", new URL("wss://a/"), new URL("http://a/"), null, undefined, {}]) {
    assert(!isWsUrl(x));
  }
  for (const x of ["wss://a/", new URL("ws://a/"), new URL("https://a/"), null, undefined, {}]) {
    assert(!isWssUrl(x));
  }
});

Deno.test("the manual's example, with a hixie-76 client and an RFC 6455 one on the same port", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-net",
      new URL("../examples/origin_echo.ts", import.meta.url).pathname,
      "0",
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const url = (await reader.read()).value!.trim().replace("localhost", "127.0.0.1");
  for (const version of ["hixie-76", "rfc6455"] as const) {
    await using conn = await wsConnect(url + "chat", {
      version,
      headers: { origin: "http://page" },
    });
    assertEquals(conn.version, version);
    assertEquals(
      conn.headers.get("sec-websocket-origin"),
      version === "rfc6455" ? null : "http://page",
    );
    await conn.send("manual");
    assertEquals(await conn.recv(), "manual");
  }
  child.kill();
  await child.status;
  await reader.cancel();
});
