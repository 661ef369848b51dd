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
  wsAccept,
  type WsConn,
  wsConnect,
  WsConnectionLost,
  WsHandshakeError,
  wsServe,
  type WsServeOptions,
} from "../mod.ts";
import { encodeClose, encodeFrame, Opcode } from "../framing/mod.ts";
import { HeadReader } from "../handshake/head.ts";
import { readHead } from "../transport.ts";
import { certs } from "./helpers/certs.ts";
import { echo, LOCAL, RawPeer } from "./helpers/sockets.ts";
import { bytesOf } from "./helpers/bytes.ts";

/** Sends these bytes and reads all that comes back. */
async function ask(addr: Deno.Addr, bytes: string | Uint8Array, closeWrite = false) {
  const conn = await Deno.connect({ ...(addr as Deno.NetAddr), transport: "tcp" });
  await conn.write(typeof bytes === "string" ? bytesOf(bytes) : bytes);
  if (closeWrite) await conn.closeWrite();
  return await toText(conn.readable);
}

const OPENING =
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

for (
  const [what, bytes, status, also] of [
    ["not GET", OPENING.replace("GET", "POST"), "405 Method Not Allowed", "allow: GET"],
    ["HTTP/1.0", OPENING.replace("1.1", "1.0"), "505 HTTP Version Not Supported", ""],
    [
      "no upgrade",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "426 Upgrade Required",
      "upgrade: websocket",
    ],
    ["bad key", OPENING.replace("dGhl", ""), "400 Bad Request", "base64 of 16 bytes"],
    [
      "version 8",
      OPENING.replace(" 13", " 8"),
      "426 Upgrade Required",
      "sec-websocket-version: 13",
    ],
    ["large head", `GET /${"x".repeat(20_000)}`, "431 Request Header Fields Too Large", "16 KiB"],
    [
      "many lines",
      OPENING.replace("Host", "A: b\r\n".repeat(130) + "Host"),
      "431 Req",
      "128 lines",
    ],
    ["garbage", "\x01\x02\x03\x04", "400 Bad Request", "not HTTP"],
    ["garbage with lines", "hello\r\n\r\n", "400 Bad Request", "Request line is malformed"],
    ["smuggling", OPENING.replace("Host", "Host : x\r\nHost"), "400 Bad Request", "malformed"],
  ] as const
) {
  Deno.test(`a refused request gets its status and the reason: ${what}`, async () => {
    const errors: unknown[] = [];
    await using server = wsServe(echo, { ...LOCAL, onError: (error) => errors.push(error) });
    const answer = await ask(server.addr, bytes);
    assertMatch(answer, new RegExp(`^HTTP/1\\.1 ${status}`));
    assert(answer.includes(also), answer);
    assert(answer.includes("Connection: close\r\n"), answer);
    await server.shutdown();
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], WsHandshakeError);
  });
}

Deno.test("slow requests get 408, those that stop halfway 400", async () => {
  await using server = wsServe(echo, { ...LOCAL, handshakeTimeout: 0.05, onError: () => {} });
  assertMatch(await ask(server.addr, "GET / HTTP/1.1\r\n"), /^HTTP\/1\.1 408 Request Timeout\r\n/);
  const mute = await Deno.connect({ ...(server.addr as Deno.NetAddr), transport: "tcp" });
  assertMatch(await toText(mute.readable), /^HTTP\/1\.1 408 /);
  assertMatch(await ask(server.addr, "GET / HTTP/1.1\r\n", true), /^HTTP\/1\.1 400 /);
});

Deno.test("what one peer does wrong, no other notices", async () => {
  const errors: unknown[] = [];
  await using server = wsServe(echo, { ...LOCAL, onError: (error) => errors.push(error) });
  await using good = await wsConnect(server.url);
  await ask(server.addr, "garbage\r\n\r\n");
  const bad = await RawPeer.connect(server.addr);
  await bad.write(Uint8Array.of(0xff, 0xff, 0xff));
  await bad.next();
  bad.conn.close();
  const lost = await RawPeer.connect(server.addr);
  lost.conn.close();
  await good.send("unharmed");
  assertEquals(await good.recv(), "unharmed");
});

Deno.test("subprotocols: the server's order, a function of the user's, or none", async () => {
  const offer = { protocols: ["a", "b", "c"] };
  for (
    const [protocols, chosen] of [
      [["c", "b"], "c"],
      [["x"], ""],
      [[], ""],
      [undefined, ""],
      [(offered: string[]) => offered.at(-2), "b"],
      [() => undefined, ""],
    ] as [WsServeOptions["protocols"], string][]
  ) {
    await using server = wsServe((conn) => conn.send(conn.protocol), { ...LOCAL, protocols });
    await using conn = await wsConnect(server.url, offer);
    assertEquals([conn.protocol, await conn.recv()], [chosen, chosen]);
  }
  const errors: unknown[] = [];
  await using server = wsServe(echo, {
    ...LOCAL,
    protocols: () => "not offered",
    onError: (error) => errors.push(error),
  });
  const error = await assertRejects(() => wsConnect(server.url, offer), WsHandshakeError);
  assertEquals(error.status, 500);
  await server.shutdown();
  assertInstanceOf(errors[0], TypeError);
});

Deno.test("a handler that throws closes its connection with 1011 and reaches onError", async () => {
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const failures = [() => Promise.reject(new Error("later")), () => {
    throw new Error("at once");
  }];
  for (const handler of failures) {
    await using server = wsServe(handler, { ...LOCAL, onError });
    const conn = await wsConnect(server.url);
    assertEquals(await conn.finished, { code: 1011, reason: "", wasClean: true });
  }
  assertEquals(errors.map((error) => (error as Error).message), ["later", "at once"]);
});

Deno.test("a connection that its peer loses reaches onError, as what recv threw", async () => {
  const lost = Promise.withResolvers<unknown>();
  await using server = wsServe(echo, { ...LOCAL, onError: lost.resolve });
  const peer = await RawPeer.connect(server.addr);
  peer.conn.close();
  assertInstanceOf(await lost.promise, WsConnectionLost);
});

Deno.test("an onError that throws does not stop the server", async () => {
  const printed: unknown[] = [];
  const original = console.error;
  console.error = (error) => printed.push(error);
  try {
    await using server = wsServe(() => Promise.reject(new Error("handler")), {
      ...LOCAL,
      onError: () => {
        throw new Error("onError");
      },
    });
    for (let i = 0; i < 2; i++) await (await wsConnect(server.url)).finished;
    await server.shutdown();
  } finally {
    console.error = original;
  }
  assertEquals(printed.map((error) => (error as Error).message), ["onError", "onError"]);
});

Deno.test("a handler's promise ends the connection with 1000; without one it stays open", async () => {
  await using server = wsServe((conn) => conn.send("bye"), LOCAL);
  const conn = await wsConnect(server.url);
  assertEquals(await Array.fromAsync(conn), ["bye"]);
  assertEquals((await conn.finished).code, 1000);

  const conns: WsConn[] = [];
  await using keeping = wsServe((conn) => void conns.push(conn), LOCAL);
  await using kept = await wsConnect(keeping.url);
  assert(await kept.ping() > 0);
  assertEquals(keeping.connections.size, 1);
  assert(keeping.connections.has(conns[0]!));
  await kept.close();
  await conns[0]!.finished;
});

Deno.test("onListen is told the address; a port that is taken throws from wsServe", async () => {
  const addrs: Deno.Addr[] = [];
  await using server = wsServe(echo, { ...LOCAL, onListen: (addr) => addrs.push(addr) });
  assertEquals(addrs, [server.addr]);
  const { port } = server.addr as Deno.NetAddr;
  assertEquals(server.url, `ws://127.0.0.1:${port}/`);
  assertThrows(() => wsServe(echo, { ...LOCAL, port }), Deno.errors.AddrInUse);
  assertThrows(() => wsServe(echo, { ...LOCAL, closeTimeout: NaN }), RangeError, "closeTimeout");
  assertThrows(() => wsServe(echo, { ...LOCAL, protocols: ["a b"] }), SyntaxError);
  const { cert, key } = certs.server;
  assertThrows(() => wsServe(echo, { ...LOCAL, cert }), TypeError, 'only "cert": it takes both');
  assertThrows(() => wsServe(echo, { ...LOCAL, key }), TypeError, 'only "key"');
});

Deno.test("onRequest answers plain HTTP on the same port", async () => {
  const thrownError = Promise.withResolvers<unknown>();
  await using server = wsServe(echo, {
    ...LOCAL,
    onError: thrownError.resolve,
    onRequest: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/throw") throw new Error("mine");
      if (pathname === "/empty") return new Response(null, { status: 204 });
      if (pathname === "/stream") {
        return new Response(ReadableStream.from([bytesOf("a"), bytesOf("b")]));
      }
      const headers = { "x-method": request.method, "content-type": "text/html" };
      return new Response(`<p>${await request.text()}</p>`, { headers });
    },
  });
  const url = server.url.replace("ws:", "http:");
  const page = await fetch(url + "?q");
  assertEquals([page.status, page.headers.get("content-type")], [200, "text/html"]);
  assertEquals(await page.text(), "<p></p>");
  const posted = await fetch(url, { method: "POST", body: "given length" });
  assertEquals([posted.headers.get("x-method"), await posted.text()], [
    "POST",
    "<p>given length</p>",
  ]);
  const chunked = await fetch(url, {
    method: "PUT",
    body: ReadableStream.from([bytesOf("ch"), bytesOf("unks")]),
  });
  assertEquals(await chunked.text(), "<p>chunks</p>");
  const head = await fetch(url, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  assertEquals([(await fetch(url + "empty")).status, await (await fetch(url + "stream")).text()], [
    204,
    "ab",
  ]);
  const thrown = await fetch(url + "throw");
  assertEquals([thrown.status, await thrown.text()], [
    500,
    "The server failed to answer this request\n",
  ]);
  assertEquals((await thrownError.promise as Error).message, "mine");
  for (const line of ["TRACE / HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET * HTTP/1.1"]) {
    assertMatch(await ask(server.addr, `${line}\r\nHost: a\r\n\r\n`), /^HTTP\/1\.1 400 /);
  }
  const absolute = "GET http://other/stream HTTP/1.1\r\nHost: a\r\n\r\n";
  assertMatch(await ask(server.addr, absolute), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nab$/);
  await using conn = await wsConnect(server.url);
  await conn.send("and WebSockets");
  assertEquals(await conn.recv(), "and WebSockets");
});

Deno.test("wss: serves with Deno.listenTls, pages too", async () => {
  await using server = wsServe(echo, {
    ...LOCAL,
    ...certs.server,
    onRequest: (request) => new Response(request.url),
  });
  using client = Deno.createHttpClient({ caCerts: [certs.ca] });
  const page = await fetch(server.url.replace("wss:", "https:") + "x", { client });
  assertEquals(await page.text(), server.url.replace("wss:", "https:") + "x");
  await using conn = await wsConnect(server.url, { caCerts: [certs.ca] });
  const big = new Uint8Array(3_000_000).fill(5);
  await Promise.all([conn.send(big), conn.send("after")]);
  const back = await conn.recv() as Uint8Array;
  assertEquals([back.length, back.every((byte) => byte === 5), await conn.recv()], [
    3_000_000,
    true,
    "after",
  ]);
});

Deno.test("wsAccept: one handshake on one connection, whoever accepted it", async () => {
  using listener = Deno.listen(LOCAL);
  const accepting = listener.accept().then((conn) => wsAccept(conn, { protocols: ["p"] }));
  const [server, client] = await Promise.all([
    accepting,
    wsConnect(`ws://127.0.0.1:${listener.addr.port}/x`, { protocols: "p" }),
  ]);
  assertEquals([server.protocol, server.line], ["p", "GET /x HTTP/1.1"]);
  await client.close();
  await server.finished;

  const refusing = listener.accept().then((conn) => wsAccept(conn));
  const answered = ask(listener.addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const error = await assertRejects(() => refusing, WsHandshakeError);
  assertEquals(error.status, 426);
  assertMatch(await answered, /^HTTP\/1\.1 426 /);
});

Deno.test("frames that come with the request are received", async () => {
  using listener = Deno.listen(LOCAL);
  const accepting = listener.accept().then((conn) => wsAccept(conn));
  using conn = await Deno.connect({ ...listener.addr, transport: "tcp" });
  const frame = Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58);
  await conn.write(new Uint8Array([...bytesOf(OPENING), ...frame]));
  const server = await accepting;
  assertEquals(await server.recv(), "Hello");
  conn.close();
  await server.finished;
});

Deno.test("messages that come with the request are answered before the Close behind them", async () => {
  await using server = wsServe(echo, LOCAL);
  const hello = Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58);
  const close = encodeFrame(Opcode.Close, encodeClose(4000), { maskKey: 1 });
  using conn = await Deno.connect({ ...server.addr as Deno.NetAddr, transport: "tcp" });
  await conn.write(new Uint8Array([...bytesOf(OPENING), ...hello, ...close]));
  const reader = new HeadReader();
  await readHead(conn, reader);
  using peer = new RawPeer(conn, "client", reader.rest.slice());
  assertEquals(await peer.next(), [0x81, bytesOf("Hello")]);
  assertEquals(await peer.next(), [0x88, encodeClose(4000)]);
});

Deno.test("500 clients at once, each echoed its own", async () => {
  await using server = wsServe(echo, LOCAL);
  await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    await using conn = await wsConnect(server.url);
    for (let j = 0; j < 5; j++) {
      await conn.send(`${i} ${j}`);
      assertEquals(await conn.recv(), `${i} ${j}`);
    }
  }));
  const peer = await RawPeer.connect(server.addr);
  await peer.send(Opcode.Close, encodeClose(1000));
  await peer.end();
  peer.conn.close();
});

Deno.test("handshakeTimeout holds for a TLS client that says nothing", async () => {
  const refused = Promise.withResolvers<unknown>();
  await using server = wsServe(echo, {
    ...LOCAL,
    ...certs.server,
    handshakeTimeout: 0.05,
    onError: refused.resolve,
  });
  using _mute = await Deno.connect({ ...(server.addr as Deno.NetAddr), transport: "tcp" });
  const error = await refused.promise;
  assertInstanceOf(error, WsHandshakeError);
  assertEquals(error.status, 408);
});

Deno.test("connections are those that are there, whatever their handlers do", async () => {
  await using server = wsServe(() => new Promise(() => {}), { ...LOCAL, closeTimeout: 0.05 });
  for (let i = 0; i < 5; i++) {
    const conn = await wsConnect(server.url);
    await conn.ping(); // the handler has it
    const [own] = server.connections;
    await conn.close();
    await own!.finished;
  }
  assertEquals(server.connections.size, 0);
});

Deno.test("an onListen that throws leaves nobody listening", async () => {
  let addr: Deno.Addr | undefined;
  assertThrows(
    () =>
      wsServe(echo, {
        ...LOCAL,
        onListen(at) {
          addr = at;
          throw new Error("mine");
        },
      }),
    Error,
    "mine",
  );
  const connecting = Deno.connect({ ...(addr as Deno.NetAddr), transport: "tcp" });
  await assertRejects(() => connecting); // refused, or reset
});

Deno.test("an upload that is cut short is an error for the one who reads it", async () => {
  const read = Promise.withResolvers<unknown>();
  await using server = wsServe(echo, {
    ...LOCAL,
    onError: () => {},
    async onRequest(request) {
      await request.text().then(read.resolve, read.resolve);
      return new Response("done");
    },
  });
  await ask(server.addr, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nshort", true);
  assertInstanceOf(await read.promise, Error);
});

Deno.test("connHeaders and the handler see the same headers, which are those that were sent", async () => {
  let seen: Headers | undefined;
  const later = Promise.withResolvers<Headers>();
  await using server = wsServe(async (conn) => {
    await conn.recv();
    later.resolve(conn.headers);
  }, {
    ...LOCAL,
    connHeaders: (_line, headers) => {
      seen = headers;
      return { state: undefined };
    },
  });
  const options = { headers: [["x-list", "a"], ["x-list", "b"]] as [string, string][] };
  await using conn = await wsConnect(server.url, options);
  await conn.send("now");
  const headers = await later.promise;
  assert(headers === seen);
  assertEquals([headers.get("X-List"), headers.get("upgrade")], ["a, b", "websocket"]);
});
