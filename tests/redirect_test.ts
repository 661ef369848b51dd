/** Redirects: where they lead, what is carried there, and where they end. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { redirectTarget } from "../handshake/redirect.ts";
import {
  wsConnect,
  type WsConnectOptions,
  WsHandshakeError,
  wsServe,
  type WsServer,
} from "../mod.ts";
import { certs } from "./helpers/certs.ts";
import { demandingServer } from "./helpers/demanding.ts";
import { ConnectProxy } from "./helpers/proxy.ts";
import { LOCAL } from "./helpers/sockets.ts";

/** A request that a server has seen: the path, and the headers that are not the handshake's own. */
interface Seen {
  path: string;
  headers: Record<string, string>;
}

const HANDSHAKE = /^(upgrade|connection|sec-websocket-(key|version))$/;

/** A server that redirects by path, `{ "/from": [302, "/to"] }`, and greets with the path elsewhere. */
function serve(
  redirects: Record<string, [status: number, location: string | undefined]> = {},
  options: { cert?: string; key?: string } = {},
): WsServer & { seen: Seen[] } {
  const seen: Seen[] = [];
  const server = wsServe<string>((conn, path) => conn.send(path), {
    ...LOCAL,
    ...options,
    origins: "*",
    protocols: ["v1"],
    connHeaders: (line, headers) => {
      const path = line.split(" ")[1]!;
      const own = [...headers].filter(([name]) => !HANDSHAKE.test(name));
      seen.push({ path, headers: Object.fromEntries(own) });
      const [status, location] = redirects[path] ?? [];
      if (status === undefined) return { state: path };
      return new Response(status === 304 ? null : "gone", {
        status,
        headers: location === undefined ? {} : { location },
      });
    },
  });
  return Object.assign(server, { seen });
}

/** Connects and closes; returns the path of the server that let it in. */
async function arrive(url: string, options: WsConnectOptions = {}): Promise<unknown> {
  const conn = await wsConnect(url, { maxRedirects: 5, caCerts: [certs.ca], ...options });
  const path = await conn.recv();
  await conn.close();
  return path;
}

Deno.test("redirects are followed on request, with every status that means one", async () => {
  await using server = serve(Object.fromEntries(
    [300, 301, 302, 303, 304, 305, 307, 308].map((
      status,
    ) => [`/${status}`, [status, "/there?a=b"]]),
  ));
  for (const status of [301, 302, 303, 307, 308]) {
    assertEquals(await arrive(`${server.url}${status}`), "/there?a=b");
    const error = await assertRejects(() => wsConnect(`${server.url}${status}`), WsHandshakeError);
    assertEquals(error.status, status);
    assertEquals(error.headers.get("location"), "/there?a=b");
    assertEquals(new TextDecoder().decode(error.body), "gone");
  }
  for (const status of [300, 304, 305]) {
    const error = await assertRejects(() => arrive(`${server.url}${status}`), WsHandshakeError);
    assertEquals(error.status, status);
  }
});

Deno.test("where a Location leads", () => {
  for (
    const [from, location, to] of [
      ["ws://a/b/c?d", "e", "ws://a/b/e"],
      ["ws://a/b/c?d", "/e?f", "ws://a/e?f"],
      ["ws://a/b/c?d", "?f", "ws://a/b/c?f"],
      ["ws://a/b/c?d", "", "ws://a/b/c?d"],
      ["ws://a/b/c", "//e/f", "ws://e/f"],
      ["wss://a/b/c", "//e/f", "wss://e/f"],
      ["ws://a/b/c", "http://e/f", "ws://e/f"],
      ["ws://a/b/c", "https://e/f", "wss://e/f"],
      ["ws://a/b/c", "wss://a/b/c", "wss://a/b/c"],
      ["wss://a/b/c", "https://e:8443/f", "wss://e:8443/f"],
      ["wss://a/b", "ws://a/b", "it leads out of TLS"],
      ["wss://a/b", "http://e/f", "it leads out of TLS"],
      ["ws://a/b", "ftp://e/f", "it is not the URL of a WebSocket"],
      ["ws://a/b", "javascript:alert(1)", "it is not the URL of a WebSocket"],
      ["ws://a/b", "data:,", "it is not the URL of a WebSocket"],
      ["ws://a/b", "file:///etc/passwd", "it is not the URL of a WebSocket"],
      ["ws://a/b", "/c, /d", "it is not the URL of a WebSocket"],
      ["ws://a/b", "/c d", "it is not the URL of a WebSocket"],
      ["ws://a/b", "//", "it is not the URL of a WebSocket"],
      ["ws://a/b", "http://[/", "it is not the URL of a WebSocket"],
      ["ws://a/b", "/c#d", "it is not the URL of a WebSocket"],
      ["ws://a/b", "/c#", "it is not the URL of a WebSocket"],
      ["ws://a/b", "ws://me@e/f", "it has credentials in it"],
      ["ws://a/b", "ws://:pw@a/f", "it has credentials in it"],
    ] as const
  ) {
    const headers = new Headers({ location, "x-a": "b" });
    const target = () => redirectTarget(new URL(from), { status: 302, headers }).href;
    if (to.startsWith("ws")) assertEquals(target(), to);
    else {
      const error = assertThrows(target, WsHandshakeError, to);
      assertEquals([error.status, error.headers.get("x-a")], [302, "b"]);
    }
  }
});

Deno.test("to the same origin everything goes along", async () => {
  await using server = serve({ "/": [302, "/a"], "/a": [307, "b"] });
  const host = new URL(server.url).host;
  const options = {
    headers: { cookie: "a=b", "x-api-key": "k", origin: "http://o" },
    protocols: ["v1"],
  };
  assertEquals(await arrive(server.url.replace("//", "//us:pw@"), options), "/b");
  const headers = {
    host,
    authorization: "Basic " + btoa("us:pw"),
    cookie: "a=b",
    "x-api-key": "k",
    origin: "http://o",
    "sec-websocket-protocol": "v1",
  };
  assertEquals(server.seen.map(({ path }) => path), ["/", "/a", "/b"]);
  for (const { headers: seen } of server.seen) assertEquals(seen, { ...seen, ...headers });
});

Deno.test("to another origin no credentials go, and none come back from there", async () => {
  const routes: Record<string, [number, string]> = {};
  await using first = serve(routes);
  await using second = serve({ "/": [308, `${first.url}end`] });
  routes["/"] = [301, second.url];
  const harmless = { "accept-language": "de", "user-agent": "test", origin: "http://o" };
  const options = {
    headers: { ...harmless, cookie: "a=b", "x-api-key": "k", host: "virtual" },
    protocols: ["v1"],
  };
  assertEquals(await arrive(first.url.replace("//", "//us:pw@"), options), "/end");
  const offer = { "sec-websocket-protocol": "v1" };
  const authorization = "Basic " + btoa("us:pw");
  assertEquals(first.seen.map(({ headers }) => headers), [
    { ...options.headers, ...offer, authorization },
    { ...harmless, ...offer, host: new URL(first.url).host },
  ]);
  assertEquals(second.seen.map(({ headers }) => headers), [
    { ...harmless, ...offer, host: new URL(second.url).host },
  ]);
});

Deno.test("a client certificate is not shown to another origin", async () => {
  const routes: Record<string, [number, string]> = {};
  await using plain = serve(routes);
  await using first = await demandingServer(plain.url);
  await using second = await demandingServer(plain.url);
  routes["/same"] = [302, "/"];
  routes["/other"] = [302, second.url];
  assertEquals(await arrive(`${first.url}same`, certs.client), "/");
  assertEquals(await arrive(second.url, certs.client), "/");
  plain.seen.length = 0;
  await assertRejects(() => arrive(`${first.url}other`, certs.client)); // TLS ends: no certificate came
  assertEquals(plain.seen.map(({ path }) => path), ["/other"]);
});

Deno.test("from ws: to wss:, and never back", async () => {
  const routes: Record<string, [number, string]> = {};
  await using secure = serve(routes, certs.server);
  await using plain = serve({ "/": [301, secure.url.replace("wss:", "https:")] });
  assertEquals(await arrive(plain.url), "/");
  routes["/"] = [301, `${plain.url}end`];
  const error = await assertRejects(() => arrive(plain.url), WsHandshakeError, "leads out of TLS");
  assertEquals(error.status, 301);
  assertEquals(plain.seen.length, 2);
});

Deno.test("loops end at maxRedirects, or when the time is up", async () => {
  await using server = serve({ "/": [302, "/"] });
  const error = await assertRejects(
    () => wsConnect(server.url, { maxRedirects: 3 }),
    WsHandshakeError,
    'Cannot follow another redirect: maxRedirects is 3, and it would lead to "/"',
  );
  assertEquals(error.status, 302);
  assertEquals(server.seen.length, 4);
  await assertRejects(
    () => wsConnect(server.url, { maxRedirects: 1e9, handshakeTimeout: 0.2 }),
    Deno.errors.TimedOut,
    "no answer within 0.2 s",
  );
  const controller = new AbortController();
  const connecting = wsConnect(server.url, { maxRedirects: 1e9, signal: controller.signal });
  controller.abort(new Error("never mind"));
  await assertRejects(() => connecting, Error, "never mind");
});

Deno.test("a redirect is followed before its body has come, and its connection is closed", async () => {
  await using server = serve();
  using listener = Deno.listen(LOCAL);
  const arriving = arrive(`ws://127.0.0.1:${listener.addr.port}/`);
  using conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  await conn.read(buffer);
  const head = `HTTP/1.1 302 Found\r\nLocation: ${server.url}a\r\nContent-Length: 9\r\n\r\npart`;
  await conn.write(new TextEncoder().encode(head));
  assertEquals(await arriving, "/a");
  assertEquals(await conn.read(buffer).catch(() => null), null);
});

Deno.test("a redirect without a Location, or with two, leads nowhere", async () => {
  for (const location of ["", "Location: /a\r\nLocation: /b\r\n"]) {
    using listener = Deno.listen(LOCAL);
    const arriving = assertRejects(
      () => arrive(`ws://127.0.0.1:${listener.addr.port}/`),
      WsHandshakeError,
    );
    using conn = await listener.accept();
    await conn.read(new Uint8Array(4096));
    await conn.write(new TextEncoder().encode(`HTTP/1.1 302 Found\r\n${location}\r\n`));
    await conn.closeWrite();
    assertEquals((await arriving).status, 302);
  }
});

Deno.test("every place that is asked is asked through the proxy, which alone gets the credentials for it", async () => {
  await using second = serve();
  await using first = serve({ "/": [302, `${second.url}end`] });
  await using proxy = new ConnectProxy({ authorization: "Basic " + btoa("a:b") });
  const through = proxy.url.replace("//", "//a:b@");
  assertEquals(await arrive(first.url, { proxy: through }), "/end");
  assertEquals(proxy.targets, [new URL(first.url).host, new URL(second.url).host]);
});

Deno.test("what is wrong with maxRedirects is thrown before anything is sent", async () => {
  for (const maxRedirects of [-1, 1.5, NaN, Infinity]) {
    await assertRejects(
      () => wsConnect("ws://127.0.0.1:1/", { maxRedirects }),
      RangeError,
      `maxRedirects must be a whole number from 0 up: current value is ${maxRedirects}`,
    );
  }
  using listener = Deno.listen(LOCAL);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  await assertRejects(
    () => wsConnect("ws://127.0.0.1/", { maxRedirects: 1, conn }),
    TypeError,
    'Cannot follow redirects on "conn"',
  );
});
