import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { wsAccept, wsConnect, WsHandshakeError, wsServe } from "../mod.ts";
import { certs } from "./helpers/certs.ts";
import { LOCAL } from "./helpers/sockets.ts";
import { bytesOf, seeded, splits } from "./helpers/bytes.ts";
import { HeadReader } from "../handshake/head.ts";
import { readHead } from "../transport.ts";

/** A server that reads one request and answers with these bytes, piece by piece. */
async function answering(
  answer: string | Uint8Array[],
  use: (url: string, request: Promise<HeadReader>) => Promise<unknown>,
  { close = true } = {},
): Promise<void> {
  using listener = Deno.listen(LOCAL);
  const reader = new HeadReader();
  const ended = Promise.withResolvers<void>();
  const request = (async () => {
    using conn = await listener.accept();
    conn.setNoDelay();
    await readHead(conn, reader);
    for (const piece of typeof answer === "string" ? [bytesOf(answer)] : answer) {
      await conn.write(piece).catch(() => {});
    }
    if (close) await conn.closeWrite().catch(() => {});
    await ended.promise;
    return reader;
  })();
  try {
    await use(`ws://127.0.0.1:${listener.addr.port}/`, request);
  } finally {
    ended.resolve();
    await request;
  }
}

function assertRefused(answer: string, status: number, message: string) {
  return answering(answer, async (url) => {
    const error = await assertRejects(() => wsConnect(url), WsHandshakeError, message);
    assertEquals(error.status, status);
  });
}

Deno.test("a refusal throws its status, headers and body, in whatever pieces it comes", async () => {
  const answer = bytesOf(
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 9\r\n\r\nWho's it?",
  );
  for (const pieces of splits(answer, seeded(50))) {
    await answering(pieces, async (url) => {
      const error = await assertRejects(
        () => wsConnect(url),
        WsHandshakeError,
        "refused the connection: 401 Unauthorized",
      );
      assertEquals(error.status, 401);
      assertEquals(error.headers.get("www-authenticate"), "Basic");
      assertEquals(new TextDecoder().decode(error.body), "Who's it?");
    }, { close: false });
  }
});

Deno.test("a refusal's body: chunked, up to the end, and no more than 64 KiB of it", async () => {
  for (
    const [answer, length] of [
      [
        "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        5,
      ],
      ["HTTP/1.1 500 \r\n\r\n" + "x".repeat(100), 100],
      ["HTTP/1.1 404 Not Found\r\n\r\n" + "x".repeat(100_000), 65_536],
      ["HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", 0],
    ] as const
  ) {
    await answering(answer, async (url) => {
      const error = await assertRejects(() => wsConnect(url), WsHandshakeError);
      assertEquals(error.body.length, length);
    });
  }
});

Deno.test("answers that are no answer: status 0, or that of the wrong one", async () => {
  await assertRefused("", 0, "closed the connection without an answer");
  await assertRefused("HTTP/1.1 101 Switch", 0, "without an answer");
  await assertRefused("SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "not HTTP");
  await assertRefused("\x15\x03\x01\x00\x02\x02\x46", 0, "TLS");
  await assertRefused("HTTP/1.1 101 x\r\n" + "a: b\r\n".repeat(200) + "\r\n", 0, "128 lines");
  await assertRefused("HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n", 101, "Connection header");
  await assertRefused("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "200 OK");
});

Deno.test("what is wrong with the arguments is thrown before anything is sent", async () => {
  for (
    const [url, message] of [
      ["", "not a URL"],
      ["localhost", "not a URL"],
      ["ftp://localhost/", "scheme must be ws: or wss:"],
      ["ws://localhost/#x", "fragment"],
      ["ws://localhost/#", "fragment"],
    ] as const
  ) {
    await assertRejects(() => wsConnect(url), SyntaxError, message);
  }
  for (
    const [url, shown] of [
      ["ws://us:pw@host:99999/", "ws://…@host:99999/"],
      ["ws://us:p/w@host:pw@a b/", "ws://…@a b/"],
      ["ws://us:pw?pw@host/", "ws://…@host/"],
      ["us:pw@host/", "…@host/"],
      ["ftp://us:pw@host/?token=pw", "ftp://…@host/?…"],
      ["ws://us@host/a?token=pw#b", "ws://…@host/a?…"],
    ] as const
  ) {
    const error = await assertRejects(() => wsConnect(url), SyntaxError, `"${shown}"`);
    assert(!Deno.inspect(error).includes("pw"), Deno.inspect(error)); // its causes too
  }
  const url = "ws://127.0.0.1:1/";
  await assertRejects(() => wsConnect(url, { protocols: "a b" }), SyntaxError, "not a token");
  await assertRejects(() => wsConnect(url, { protocols: ["a", "a"] }), SyntaxError, "twice");
  for (const value of ["a\r\nX: y", "a\n", "a\0"]) {
    await assertRejects(
      () => wsConnect(url, { headers: { "x-a": value } }),
      TypeError,
      "line break",
    );
  }
  const { cert } = certs.client;
  await assertRejects(() => wsConnect(url, { cert }), TypeError, 'only "cert": it takes both');
  const headers = { "Sec-WebSocket-Key": "x" };
  await assertRejects(() => wsConnect(url, { headers }), TypeError, "Cannot set header");
  for (const wrong of [{ closeTimeout: -1 }, { handshakeTimeout: NaN }, { maxMessageSize: -5 }]) {
    await assertRejects(() => wsConnect(url, wrong), RangeError, "current value is");
  }
});

Deno.test("URLs: http: is ws:, userinfo becomes Authorization, path and query go out as they are", async () => {
  let seen: HeadReader | undefined;
  await answering("HTTP/1.1 400 x\r\n\r\n", async (url, request) => {
    const target = url.replace("ws://", "http://us%40er:p%C3%A4ss@") + "a%20b?c=d&e";
    await assertRejects(() => wsConnect(target), WsHandshakeError);
    void request.then((reader) => seen = reader);
  });
  const { line, headers } = seen!.request();
  assertEquals(line, "GET /a%20b?c=d&e HTTP/1.1");
  assertEquals(headers.get("host")!.split(":")[0], "127.0.0.1");
  assertEquals(headers.get("authorization"), "Basic " + btoa("us@er:p\xc3\xa4ss"));
});

Deno.test("headers and subprotocols are sent", async () => {
  await using server = wsServe(async (conn) => {
    await conn.send(`${conn.headers.get("x-name")} ${conn.headers.get("authorization")}`);
  }, { ...LOCAL, protocols: ["v2", "v1"] });
  await using conn = await wsConnect(server.url.replace("//", "//a:b@"), {
    headers: new Headers({ "x-name": "Ada", authorization: "Bearer 1" }),
    protocols: ["v1", "v2", "v3"],
  });
  assertEquals(conn.protocol, "v2");
  assertEquals(await conn.recv(), "Ada Bearer 1");
});

Deno.test("connecting where nobody listens", async () => {
  const listener = Deno.listen(LOCAL);
  const { port } = listener.addr;
  listener.close();
  await assertRejects(() => wsConnect(`ws://127.0.0.1:${port}/`), Deno.errors.ConnectionRefused);
});

Deno.test("IPv6 addresses", async () => {
  await using server = wsServe((conn) => conn.send("six"), { hostname: "::1", port: 0 });
  await using conn = await wsConnect(server.url);
  assertEquals(new URL(server.url).hostname, "[::1]");
  assertEquals(await conn.recv(), "six");
});

Deno.test("wss: with a CA of one's own; without it, or with another name, it fails", async () => {
  await using server = wsServe((conn) => conn.send("secret"), { ...LOCAL, ...certs.server });
  assert(server.url.startsWith("wss://127.0.0.1:"));
  await using conn = await wsConnect(server.url, { caCerts: [certs.ca] });
  assertEquals(await conn.recv(), "secret");
  await assertRejects(() => wsConnect(server.url), Error, "certificate");
  const other = server.url.replace("127.0.0.1", "127.0.0.2").replace("wss:", "https:");
  await assertRejects(() => wsConnect(other, { caCerts: [certs.ca] }));
  const plain = server.url.replace("wss:", "ws:");
  await assertRejects(() => wsConnect(plain)); // plain to a TLS port
});

Deno.test("wss: to a plain port fails at once", async () => {
  const refused = Promise.withResolvers<unknown>();
  await using server = wsServe(() => {}, { ...LOCAL, onError: refused.resolve });
  await assertRejects(() => wsConnect(server.url.replace("ws:", "wss:")));
  const error = await refused.promise;
  assertInstanceOf(error, WsHandshakeError);
  assertEquals(error.status, 400);
});

Deno.test("any connection can be the transport: a Unix socket", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const [server, client] = await Promise.all([
    listener.accept().then((conn) => wsAccept(conn)),
    Deno.connect({ transport: "unix", path }).then((conn) => wsConnect("ws://here/", { conn })),
  ]);
  assertEquals(server.headers.get("host"), "here");
  await client.send("over a Unix socket");
  assertEquals(await server.recv(), "over a Unix socket");
  await Promise.all([client.close(), server.close()]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a transport that fails the handshake is closed", async () => {
  await answering("HTTP/1.1 400 x\r\n\r\n", async (url) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) });
    await assertRejects(() => wsConnect(url, { conn }), WsHandshakeError);
    await assertRejects(() => conn.write(new Uint8Array(1)), Deno.errors.BadResource);
  });
});

Deno.test("handshakeTimeout: servers that answer nothing, slowly, or not in TLS", async () => {
  await answering([], async (url) => {
    await assertRejects(
      () => wsConnect(url, { handshakeTimeout: 0.05 }),
      Deno.errors.TimedOut,
      "no answer within 0.05 s",
    );
  }, { close: false });
  await answering("HTTP/1.1 101", async (url) => {
    await assertRejects(() => wsConnect(url, { handshakeTimeout: 0.05 }), Deno.errors.TimedOut);
  }, { close: false });
  using silent = Deno.listen(LOCAL);
  const url = `wss://127.0.0.1:${silent.addr.port}/`;
  const options = { handshakeTimeout: 0.1, caCerts: [certs.ca] };
  await assertRejects(() => wsConnect(url, options), Deno.errors.TimedOut);
  await assertRejects(() => wsConnect(url, { ...options, ...certs.client }), Deno.errors.TimedOut);
});

Deno.test("signal: aborting gives up at every stage and leaves no socket behind", async () => {
  const reason = new Error("never mind");
  await assertRejects(
    () => wsConnect("ws://127.0.0.1:1/", { signal: AbortSignal.abort(reason) }),
    Error,
    "never mind",
  );

  // while dialing: nothing has been sent yet when connect returns
  using listener = Deno.listen(LOCAL);
  for (const scheme of ["ws", "wss"]) {
    const controller = new AbortController();
    const url = `${scheme}://127.0.0.1:${listener.addr.port}/`;
    const connecting = wsConnect(url, { signal: controller.signal });
    controller.abort(reason);
    await assertRejects(() => connecting, Error, "never mind");
  }

  // while the opening handshake waits: the socket is closed, the server sees the end. While the TLS handshake does:
  // Deno keeps a socket that is closed within it until the peer moves (its TlsStream finishes the handshake first).
  for (const options of [{}, { caCerts: [certs.ca] }, { caCerts: [certs.ca], ...certs.client }]) {
    const controller = new AbortController();
    const scheme = "caCerts" in options ? "wss" : "ws";
    const url = `${scheme}://127.0.0.1:${listener.addr.port}/`;
    const connecting = wsConnect(url, { ...options, signal: controller.signal });
    connecting.catch(() => {});
    for (;;) { // what was aborted while dialing may stand in the queue still
      using conn = await listener.accept();
      const buffer = new Uint8Array(4096);
      const length = await conn.read(buffer).catch(() => null);
      if (length === null) continue;
      controller.abort(reason);
      await assertRejects(() => connecting, Error, "never mind");
      if (scheme === "ws") assertEquals(await conn.read(buffer).catch(() => null), null);
      break;
    }
  }

  // while a refusal's body is being read
  const controller = new AbortController();
  await answering("HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\npart", async (url) => {
    const connecting = wsConnect(url, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await assertRejects(() => connecting, Error, "never mind");
  }, { close: false });
});

Deno.test("signal: what is given up before it dials connects to nothing", async () => {
  using listener = Deno.listen(LOCAL);
  for (const [scheme, identity] of [["ws", {}], ["wss", {}], ["wss", certs.client]] as const) {
    const controller = new AbortController();
    const url = `${scheme}://127.0.0.1:${listener.addr.port}/`;
    const connecting = wsConnect(url, { ...identity, signal: controller.signal });
    controller.abort(new Error("never mind"));
    await assertRejects(() => connecting, Error, "never mind");
  }
  using own = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using first = await listener.accept();
  assertEquals(first.remoteAddr, own.localAddr);
});

Deno.test("signal: aborted before, it closes the connection that it was given", async () => {
  using listener = Deno.listen(LOCAL);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using peer = await listener.accept();
  const signal = AbortSignal.abort(new Error("never mind"));
  await assertRejects(() => wsConnect("ws://localhost/", { conn, signal }), Error, "never mind");
  assertEquals(await peer.read(new Uint8Array(1)), null);
});

Deno.test("signal: of 1,000 connections given up while they are being made, none stays open", async () => {
  const listener = Deno.listen(LOCAL);
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  let open = 0;
  const last = Promise.withResolvers<void>();
  const ends: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      open++;
      ends.push((async () => {
        const buffer = new Uint8Array(1024);
        let length: number | null = 0;
        while (length !== null) {
          length = await conn.read(buffer).catch(() => null);
          if (buffer[0] === "!".charCodeAt(0)) last.resolve();
        }
        conn.close();
        open--;
      })());
    }
  })();
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 25 }, async (_, at) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error("never mind")), at % 5);
      const { signal } = controller;
      await assertRejects(() => wsConnect(url, { signal }), Error, "never mind");
    }));
  }
  // when this one has been accepted, all before it have
  {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    await conn.write(bytesOf("!"));
    await last.promise;
  }
  let timer;
  await Promise.race([
    Promise.all(ends),
    new Promise((resolve) => timer = setTimeout(resolve, 10_000)),
  ]);
  clearTimeout(timer);
  assertEquals(open, 0);
  listener.close();
  await accepting;
});

Deno.test("signal: aborting later does nothing", async () => {
  await using server = wsServe((conn) => conn.send("still here"), LOCAL);
  const controller = new AbortController();
  await using conn = await wsConnect(server.url, { signal: controller.signal });
  controller.abort();
  assertEquals(await conn.recv(), "still here");
});

Deno.test("a refusal stands, whatever is wrong with its body", async () => {
  for (
    const [answer, status] of [
      ["HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 401],
      ["HTTP/1.1 403 x\r\nContent-Length: 5, 5\r\n\r\nhello", 403],
      ["HTTP/1.1 403 x\r\nContent-Length: 9\r\n\r\nhello", 403],
      ["HTTP/1.1 204 x\r\n\r\n", 204],
      [
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n",
        404,
      ],
    ] as const
  ) {
    await answering(answer, async (url) => {
      const options = { handshakeTimeout: 0.2 };
      const error = await assertRejects(() => wsConnect(url, options), WsHandshakeError);
      assertEquals(error.status, status);
    }, { close: false });
  }
});

Deno.test("malformed user names are a SyntaxError, and port 0 is not port 80", async () => {
  await assertRejects(
    () => wsConnect("ws://a%:b@localhost/"),
    SyntaxError,
    "the user name or password in its URL is malformed",
  );
  const error = await assertRejects(() => wsConnect("ws://127.0.0.1:0/"), Error);
  assert(!error.message.includes(":80"), error.message);
});
