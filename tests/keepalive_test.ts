/** Connections on which nothing arrives: they are pinged, and in the end closed. */
import { assertEquals, assertMatch } from "@std/assert";
import { wsConnect, wsServe } from "../mod.ts";
import { echo, LOCAL, pair, RawPeer } from "./helpers/sockets.ts";

for (const role of ["server", "client"] as const) {
  Deno.test(`timeout: ${role} closes a connection on which nothing arrives, and no other`, async () => {
    const { peer, conn } = await RawPeer.against(role === "server" ? "client" : "server", {
      timeout: 0.1,
      closeTimeout: 0.05,
    });
    const busy = await pair({ timeout: 0.1 }, { timeout: 0.1 });
    const finished = conn.finished.then(() => true);
    for (let over = false; !over;) {
      await busy.client.ping();
      let timer;
      const soon = new Promise<false>((done) => timer = setTimeout(done, 20, false));
      over = await Promise.race([finished, soon]);
      clearTimeout(timer);
    }
    const [first, payload] = (await peer.next())!;
    assertEquals([first, payload[0]! << 8 | payload[1]!], [0x88, 1001]);
    assertEquals(new TextDecoder().decode(payload.subarray(2)), "Nothing arrived for 0.1 s");
    assertEquals((await conn.finished).code, 1006);
    assertEquals(busy.server.closed, false);
    await Promise.all([busy.client.close(), busy.server.close()]);
    peer[Symbol.dispose]();
  });
}

for (const role of ["server", "client"] as const) {
  Deno.test(`keepalive: ${role} pings a silent peer, and closes with 1011 if it does not answer`, async () => {
    const { peer, conn } = await RawPeer.against(role === "server" ? "client" : "server", {
      pingInterval: 0.05,
      pingTimeout: 0.1,
      closeTimeout: 0.05,
    });
    for (let i = 0; i < 5; i++) { // as long as it answers, it may be silent otherwise
      assertEquals((await peer.next())?.[0], 0x89);
      await peer.send(10);
    }
    assertEquals(conn.closed, false);
    let frame = await peer.next();
    while (frame?.[0] === 0x89) frame = await peer.next();
    const [first, payload] = frame!;
    assertEquals([first, payload[0]! << 8 | payload[1]!], [0x88, 1011]);
    assertMatch(
      new TextDecoder().decode(payload.subarray(2)),
      /^No answer to a Ping for 0.1 s: .*pingTimeout/,
    );
    assertEquals(await conn.finished, { code: 1006, reason: "", wasClean: false });
    peer[Symbol.dispose]();
  });
}

Deno.test("keepalive can be turned off, and the drafts have none", async () => {
  await using server = wsServe(echo, { ...LOCAL, pingInterval: 0.01 });
  await using hixie = await wsConnect(server.url, { version: "hixie-76", pingInterval: 0.01 });
  const { peer, conn } = await RawPeer.against("client", { pingInterval: 0, closeTimeout: 0.05 });
  await new Promise((done) => setTimeout(done, 100)); // there is no event to wait for: nothing must happen
  await hixie.send("still text only");
  assertEquals(await hixie.recv(), "still text only");
  void conn.close(1000);
  assertEquals((await peer.next())?.[0], 0x88);
  await conn.finished;
  peer[Symbol.dispose]();
});

Deno.test("timeout: a connection that its own reader holds up is not idle", async () => {
  const { peer, conn } = await RawPeer.against("client", { timeout: 0.05, closeTimeout: 0.05 });
  await peer.send(2, new Uint8Array(200_000));
  await conn.ready();
  await new Promise((done) => setTimeout(done, 200)); // there is no event to wait for: nothing must happen
  assertEquals(conn.closed, false);
  assertEquals((await conn.recv())?.length, 200_000);
  await conn.finished; // now it is
  peer[Symbol.dispose]();
});
