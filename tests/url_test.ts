/** `conn.url` and `info.url`: what a request is for. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { toText } from "@std/streams";
import { wsConnect, wsServe } from "../mod.ts";
import { certs } from "./helpers/certs.ts";
import { LOCAL } from "./helpers/sockets.ts";

Deno.test("url: what the client has asked for, on both sides and for connHeaders", async () => {
  const asked: string[] = [];
  await using server = wsServe((conn) => conn.send(conn.url.href), {
    ...LOCAL,
    closeTimeout: 0.1, // which one of them does not answer
    connHeaders(_line, _headers, { url }) {
      asked.push(url.href);
      return { state: undefined };
    },
  });
  const { port } = server.addr as Deno.NetAddr;
  for (const path of ["/", "/a%20b?token=x&y=1", "//twice//", "/%E4%B8%96"]) {
    const url = `ws://127.0.0.1:${port}${path}`;
    await using conn = await wsConnect(url.replace("//", "//user:secret@"));
    assertEquals([conn.url.href, await conn.recv(), asked.pop()], [url, url, url]);
  }
  for (
    const [target, host, expected] of [
      ["http://elsewhere/x", "localhost", "ws://elsewhere/x"], // RFC 6455 §4.2.1, item 1
      ["/x", "localhost:99999", 400],
      ["x", "localhost", 400],
      ["ftp://localhost/", "localhost", 400],
      ["http://[", "localhost", 400],
    ] as const
  ) {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const request = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\n` +
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    await conn.write(new TextEncoder().encode(request));
    const answer = await toText(conn.readable);
    if (typeof expected === "number") assertMatch(answer, /^HTTP\/1\.1 400 /);
    else assertStringIncludes(answer, expected);
  }
});

Deno.test("url: over TLS it is wss:, and after a redirect where that has led to", async () => {
  await using secure = wsServe((conn) => conn.send(conn.url.href), { ...LOCAL, ...certs.server });
  await using plain = wsServe(() => {}, {
    ...LOCAL,
    connHeaders: () => Response.redirect(new URL("/there?x", secure.url.replace("wss", "https"))),
  });
  await using conn = await wsConnect(plain.url, { maxRedirects: 1, caCerts: [certs.ca] });
  const there = new URL("/there?x", secure.url).href;
  assertEquals([conn.url.href, await conn.recv()], [there, there]);
});
