/** The client through a proxy: real tunnels, and all that can come instead of one. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import {
  type WsConn,
  wsConnect,
  type WsConnectOptions,
  WsHandshakeError,
  wsServe,
} from "../mod.ts";
import { bytesOf, seeded, splits } from "./helpers/bytes.ts";
import { certs } from "./helpers/certs.ts";
import { demandingServer } from "./helpers/demanding.ts";
import { ConnectProxy, type ProxyOptions } from "./helpers/proxy.ts";
import { LOCAL } from "./helpers/sockets.ts";

const trusted = { caCerts: [certs.ca] };

/** An echo server; tells each client first which headers it came with. */
function echoServer(tls = {}) {
  return wsServe(async (conn) => {
    await conn.send([...conn.headers.keys()].join(" "));
    for await (const message of conn) await conn.send(message);
  }, { ...LOCAL, ...tls });
}

/** Sends small and large messages, takes them back, and closes. Returns which headers the server has seen. */
async function exchange(conn: WsConn): Promise<string> {
  const headers = await conn.recv() as string;
  const messages = ["hello", new Uint8Array(300_000).map((_, at) => at), "bye"];
  for (const message of messages) await conn.send(message);
  for (const message of messages) assertEquals(await conn.recv(), message);
  assertEquals(await conn.close(), { code: 1000, reason: "", wasClean: true });
  return headers;
}

for (const [proxyTls, serverTls] of [[false, false], [false, true], [true, false], [true, true]]) {
  const name = `${serverTls ? "wss" : "ws"} through an ${proxyTls ? "https" : "http"} proxy`;
  Deno.test(`${name}: the tunnel carries everything, the proxy alone is told who asks`, async () => {
    await using server = echoServer(serverTls ? certs.server : {});
    await using proxy = new ConnectProxy({
      ...(proxyTls ? { tls: certs.server } : {}),
      authorization: "Basic " + btoa("us@er:p\xc3\xa4ss"),
    });
    const options = {
      proxy: proxy.url.replace("//", "//us%40er:p%C3%A4ss@"),
      proxyHeaders: { "x-for": "the proxy" },
      headers: { "x-for-server": "yes" },
      ...trusted,
    };
    const headers = await exchange(await wsConnect(server.url, options));
    assert(headers.includes("x-for-server"), headers);
    assert(!headers.includes("proxy") && !headers.split(" ").includes("x-for"), headers);

    const [{ line, headers: seen }] = proxy.requests as [ConnectProxy["requests"][0]];
    const { host } = new URL(server.url);
    assertEquals(line, `CONNECT ${host} HTTP/1.1`);
    assertEquals(seen.get("host"), host);
    assertEquals(seen.get("x-for"), "the proxy");
    assert(!seen.has("x-for-server") && !seen.has("sec-websocket-key"));

    const error = await assertRejects(
      () => wsConnect(server.url, { ...options, proxy: new URL(proxy.url) }),
      WsHandshakeError,
      "The proxy refused the connection: 407 Proxy Authentication Required",
    );
    assertEquals(error.status, 407);
    assertEquals(error.headers.get("proxy-authenticate"), 'Basic realm="test"');
    assertEquals(new TextDecoder().decode(error.body), "Who is?");
  });
}

Deno.test("a Proxy-Authorization of one's own stands before the one of the proxy's URL", async () => {
  await using server = echoServer();
  await using proxy = new ConnectProxy({ authorization: "Bearer 1" });
  const options = {
    proxy: proxy.url.replace("//", "//a:b@"),
    proxyHeaders: { "Proxy-Authorization": "Bearer 1" },
  };
  await exchange(await wsConnect(server.url, options));
});

Deno.test("IPv6 addresses and ports that a URL leaves out are written out for the proxy", async () => {
  await using proxy = new ConnectProxy({ answer: "HTTP/1.1 502 No\r\n\r\n", then: "close" });
  for (const url of ["ws://[::1]/", "wss://[::1]/", "ws://example.com/", "wss://example.com:80"]) {
    await assertRejects(() => wsConnect(url, { proxy: proxy.url }), WsHandshakeError, "502 No");
  }
  assertEquals(proxy.targets, ["[::1]:80", "[::1]:443", "example.com:80", "example.com:80"]);
});

Deno.test("the proxy's answer may come in whatever pieces, after interim ones, with any status of 2xx", async () => {
  await using server = echoServer();
  const answer = bytesOf(
    "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.0 299 Fine\r\nContent-Length: 5\r\n\r\n",
  );
  for (const pieces of splits(answer, seeded(7))) {
    await using proxy = new ConnectProxy({ answer: pieces });
    await exchange(await wsConnect(server.url, { proxy: proxy.url }));
  }
});

Deno.test("what comes behind the proxy's answer is the server's", async () => {
  await using proxy = new ConnectProxy({
    answer: "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 403 Not you\r\nContent-Length: 3\r\n\r\nout",
    then: "wait",
  });
  const error = await assertRejects(
    () => wsConnect("ws://example.com/", { proxy: proxy.url }),
    WsHandshakeError,
    "The server refused the connection: 403 Not you",
  );
  assertEquals(new TextDecoder().decode(error.body), "out");
  await assertRejects(
    () => wsConnect("wss://example.com/", { proxy: proxy.url }),
    WsHandshakeError,
    "The proxy sent 46 bytes before TLS began",
  );
});

const ENDLESS = Array.from({ length: 200 }, () => bytesOf(`x: ${"y".repeat(1000)}\r\n`));

for (
  const [what, options, status, message] of [
    ["nothing", { answer: "" }, 0, "The proxy closed the connection without an answer"],
    ["half a head", { answer: "HTTP/1.1 200 O" }, 0, "without an answer"],
    ["another protocol", { answer: "SSH-2.0-x\r\n\r\n" }, 0, "The proxy's answer is not HTTP"],
    ["TLS", { answer: "\x15\x03\x01\x00\x02\x02\x46" }, 0, "not HTTP"],
    [
      "an endless line",
      { answer: [bytesOf("HTTP/1.1 200 "), ...ENDLESS] },
      0,
      "larger than 16 KiB",
    ],
    ["endless headers", { answer: [bytesOf("HTTP/1.1 200 x\r\n"), ...ENDLESS] }, 0, "16 KiB"],
    ["a header with a line feed alone", { answer: "HTTP/1.1 200 x\r\na\n\r\n\r\n" }, 0, "not HTTP"],
    ["a refusal", { answer: "HTTP/1.1 403 No\r\n\r\nno" }, 403, "The proxy refused"],
    [
      "a redirect",
      { answer: "HTTP/1.1 302 x\r\nLocation: ws://127.0.0.1:1/\r\n\r\n" },
      302,
      "proxy",
    ],
    ["a WebSocket", { answer: "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n" }, 101, "The proxy"],
    [
      "a refusal cut short",
      { answer: "HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\nno" },
      500,
      "500",
    ],
  ] satisfies [string, ProxyOptions, number, string][]
) {
  Deno.test(`a proxy that answers with ${what} is an error that names it, redirects or not`, async () => {
    for (const url of ["ws://example.com/", "wss://example.com/"]) {
      await using proxy = new ConnectProxy({ ...options, then: "close" });
      const error = await assertRejects(
        () => wsConnect(url, { proxy: proxy.url, maxRedirects: 5 }),
        WsHandshakeError,
        message,
      );
      assertEquals(error.status, status);
      assertEquals(proxy.targets.length, 1);
    }
  });
}

Deno.test("a proxy that is silent, or dribbles for ever, has as long as the whole handshake", async () => {
  for (const answer of ["", "HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\n\r\n"]) {
    for (const url of ["ws://example.com/", "wss://example.com/"]) {
      await using proxy = new ConnectProxy({ answer, then: "wait" });
      await assertRejects(
        () => wsConnect(url, { proxy: proxy.url, handshakeTimeout: 0.1 }),
        Deno.errors.TimedOut,
        "Cannot connect to example.com: no answer within 0.1 s",
      );
    }
  }
  // within TLS in TLS too
  await using proxy = new ConnectProxy({ then: "wait", tls: certs.server });
  const options = { proxy: proxy.url, handshakeTimeout: 0.3, ...trusted };
  await assertRejects(() => wsConnect("wss://example.com/", options), Deno.errors.TimedOut);
});

Deno.test("a connection that is given up closes the one to the proxy", async () => {
  using listener = Deno.listen(LOCAL);
  const controller = new AbortController();
  const connecting = wsConnect("ws://example.com/", {
    proxy: `http://127.0.0.1:${listener.addr.port}`,
    signal: controller.signal,
  });
  using conn = await listener.accept();
  const buffer = new Uint8Array(1024);
  await conn.read(buffer);
  controller.abort(new Error("never mind"));
  await assertRejects(() => connecting, Error, "never mind");
  assertEquals(await conn.read(buffer).catch(() => null), null);
});

Deno.test("a connection that is given up at whatever moment leaves nothing behind", async () => {
  await using server = echoServer(certs.server);
  const way = { ...trusted, ...certs.client }; // node:tls in any case
  for (const tls of [{}, { tls: certs.server }]) {
    await using proxy = new ConnectProxy(tls);
    const outcomes = new Set<string>();
    for (let ms = 0; ms < 40; ms += 2) {
      const controller = new AbortController();
      const options = { ...way, proxy: proxy.url, signal: controller.signal };
      const connecting = wsConnect(server.url, options).then(
        (conn) => conn.close().then(() => "open"),
        (error) => String(error.message),
      );
      await delay(ms);
      controller.abort(new Error("never mind"));
      outcomes.add(await connecting);
    }
    outcomes.delete("open");
    assertEquals([...outcomes], ["never mind"]);
    await proxy.ended();
  }
});

Deno.test("a proxy that ends the tunnel ends the connection", async () => {
  for (const serverTls of [{}, certs.server]) {
    for (const proxyTls of [{}, { tls: certs.server }]) {
      await using server = echoServer(serverTls);
      const proxy = new ConnectProxy(proxyTls);
      const conn = await wsConnect(server.url, { proxy: proxy.url, ...trusted });
      await conn.recv();
      const sending = conn.send(new Uint8Array(4 << 20)).catch(() => {});
      await proxy[Symbol.asyncDispose]();
      const { code, wasClean } = await conn.finished;
      assertEquals({ code, wasClean }, { code: 1006, wasClean: false });
      await sending;
    }
  }
});

Deno.test("a proxy that cannot be reached is an error that names it", async () => {
  const listener = Deno.listen(LOCAL);
  const { port } = listener.addr;
  listener.close();
  await assertRejects(
    () => wsConnect("ws://example.com/", { proxy: `http://127.0.0.1:${port}` }),
    Deno.errors.ConnectionRefused,
    `Cannot connect to the proxy 127.0.0.1:${port}: `,
  );
  await using proxy = new ConnectProxy({ tls: certs.server });
  await assertRejects( // its certificate is of no CA that the system knows
    () => wsConnect("ws://example.com/", { proxy: proxy.url }),
    Error,
    "Cannot connect to the proxy 127.0.0.1:",
  );
});

Deno.test("the server's certificate is checked within the tunnel, as without one", async () => {
  await using server = echoServer(certs.server);
  for (const proxyTls of [{}, { tls: certs.server }]) {
    await using proxy = new ConnectProxy({ ...proxyTls, to: server.addr as Deno.NetAddr });
    const options = { proxy: proxy.url, ...trusted };
    for (const host of ["localhost", "127.0.0.1", "[::1]"]) { // what the certificate is for
      await exchange(await wsConnect(`wss://${host}/`, options));
    }
    for (const host of ["example.com", "127.0.0.2", "[::2]"]) {
      for (const identity of [{}, certs.client]) { // with one, node:tls does it rather than Deno
        const error = await assertRejects(
          () => wsConnect(`wss://${host}/`, { ...options, ...identity }),
          Error,
        );
        assert(/certificate/i.test(error.message), error.message);
      }
    }
  }
  await using proxy = new ConnectProxy();
  for (const identity of [{}, certs.client]) {
    const options = { proxy: proxy.url, ...identity };
    const error = await assertRejects(() => wsConnect(server.url, options), Error);
    assert(/certificate/i.test(error.message), error.message);
  }
});

Deno.test("a client certificate reaches the server that demands it: directly and through proxies", async () => {
  await using echo = echoServer();
  await using server = await demandingServer(echo.url);
  await using plain = new ConnectProxy();
  await using secure = new ConnectProxy({ tls: certs.server });
  for (const proxy of ["none", plain.url, secure.url]) {
    const options: WsConnectOptions = { proxy, ...trusted };
    await exchange(await wsConnect(server.url, { ...options, ...certs.client }));
    await assertRejects(() => wsConnect(server.url, options));
  }
  assertEquals([plain.targets.length, secure.targets.length], [2, 2]);
});
