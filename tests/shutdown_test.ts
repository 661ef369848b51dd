/** The end of a server. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { wsConnect, wsServe } from "../mod.ts";
import { encodeClose } from "../framing/mod.ts";
import { echo, LOCAL, RawPeer } from "./helpers/sockets.ts";
import { bytesOf } from "./helpers/bytes.ts";

Deno.test("shutdown: stops accepting, tells every client 1001, waits for the handlers", async () => {
  let ended = 0;
  const server = wsServe(async (conn) => {
    await echo(conn);
    await conn.finished;
    ended++;
  }, LOCAL);
  const conns = await Promise.all(Array.from({ length: 20 }, () => wsConnect(server.url)));
  for (const conn of conns) {
    await conn.send("x");
    assertEquals(await conn.recv(), "x");
  }
  assertEquals(server.connections.size, 20);
  await Promise.all([server.shutdown(), server.shutdown(), server.finished]);
  assertEquals(ended, 20);
  assertEquals(server.connections.size, 0);
  for (const conn of conns) {
    assertEquals(await conn.finished, { code: 1001, reason: "Server shutdown", wasClean: true });
  }
  await assertRejects(() => wsConnect(server.url), Deno.errors.ConnectionRefused);
});

Deno.test("shutdown: ends connections whose request has not come, and does not wait for ever", async () => {
  const errors: unknown[] = [];
  const server = wsServe(() => new Promise(() => {}), {
    ...LOCAL,
    closeTimeout: 0.05,
    onError: (error) => errors.push(error),
  });
  const mute = await Deno.connect({ ...(server.addr as Deno.NetAddr), transport: "tcp" });
  const peer = await RawPeer.connect(server.addr); // never answers the Close, in a handler that never ends
  await server.shutdown();
  assertEquals(await mute.read(new Uint8Array(1)).catch(() => null), null);
  mute.close();
  assertEquals(await peer.next(), [0x88, encodeClose(1001, "Server shutdown")]);
  peer.conn.close();
  assertEquals(errors, []);
});

Deno.test("signal shuts the server down", async () => {
  const controller = new AbortController();
  const server = wsServe(echo, { ...LOCAL, signal: controller.signal });
  const conn = await wsConnect(server.url);
  controller.abort();
  await server.finished;
  assertEquals((await conn.finished).code, 1001);
  assertThrows(() => wsServe(echo, { ...LOCAL, signal: AbortSignal.abort() }), DOMException);
});

Deno.test("shutdown: nothing outlives it, neither a response nor an opening that is being answered", async () => {
  const errors: unknown[] = [];
  let handled = 0;
  const asked = Promise.withResolvers<void>(), answerNow = Promise.withResolvers<void>();
  const server = wsServe(() => void handled++, {
    ...LOCAL,
    closeTimeout: 0.1,
    onError: (error) => errors.push(error),
    onRequest: () => new Response(new Uint8Array(50_000_000)),
    connHeaders: async () => {
      asked.resolve();
      await answerNow.promise;
      return { state: undefined };
    },
  });
  using stalled = await Deno.connect({ ...(server.addr as Deno.NetAddr), transport: "tcp" });
  await stalled.write(bytesOf("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  await stalled.read(new Uint8Array(10));
  const connecting = wsConnect(server.url);
  connecting.catch(() => {});
  await asked.promise;
  await server.shutdown();
  answerNow.resolve();
  await assertRejects(() => connecting);
  assertEquals([handled, server.connections.size], [0, 0]);
  const buffer = new Uint8Array(1 << 20);
  for (let length: number | null = 1; length !== null;) {
    length = await stalled.read(buffer).catch(() => null); // what the kernel had, and then the end
  }
  assertEquals(errors, []);
});
