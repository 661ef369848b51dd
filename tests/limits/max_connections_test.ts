/** `maxConnections`: what takes a place, what one more is told, and what a flood of them gets. */
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { toText } from "@std/streams";
import { type WsConn, wsConnect, WsHandshakeError, wsServe, type WsServer } from "../../mod.ts";
import { Opcode } from "../../framing/mod.ts";
import { certs } from "../helpers/certs.ts";
import { echo, LOCAL, RawPeer } from "../helpers/sockets.ts";
import { times, within } from "./attack.ts";

function dial(server: WsServer): Promise<Deno.TcpConn> {
  return Deno.connect({ ...server.addr as Deno.NetAddr, transport: "tcp" });
}

/** The server tells a client that it is full. */
async function assertFull(server: WsServer): Promise<WsHandshakeError> {
  const connecting = wsConnect(server.url, { caCerts: [certs.ca] });
  const error = await assertRejects(() => connecting, WsHandshakeError);
  assertEquals([error.status, error.headers.get("retry-after")], [503, "10"]);
  return error;
}

for (const tls of [false, true]) {
  const scheme = tls ? "wss" : "ws";
  Deno.test(`${scheme}: one connection over maxConnections gets 503, and a place is free when one has ended`, async () => {
    const errors: unknown[] = [];
    await using server = wsServe(echo, {
      ...LOCAL,
      ...(tls ? certs.server : {}),
      maxConnections: 2,
      onError: (error) => errors.push(error),
    });
    const connect = () => wsConnect(server.url, { caCerts: [certs.ca] });
    const first = await connect();
    await using second = await connect();
    for (let round = 1; round <= 3; round++) {
      const error = await assertFull(server);
      const reason = new TextDecoder().decode(error.body);
      assertStringIncludes(reason, "The server is full: maxConnections is 2");
      assertEquals(errors.length, round);
      assert(errors.every((told) => told instanceof WsHandshakeError && told.status === 503));
    }
    await second.send("unharmed");
    assertEquals(await second.recv(), "unharmed");
    await first.close();
    await using third = await connect();
    await third.send("welcome");
    assertEquals(await third.recv(), "welcome");
    await assertFull(server);
  });
}

Deno.test("without maxConnections nobody is refused; less than 1 is a RangeError", async () => {
  await using server = wsServe(echo, LOCAL);
  const conns = await Promise.all(Array.from({ length: 200 }, () => wsConnect(server.url)));
  await Promise.all(conns.map((conn) => conn.close()));
  for (const maxConnections of [0, 0.5, -1, NaN]) {
    const message = `maxConnections must be at least 1: current value is ${maxConnections}`;
    assertThrows(() => wsServe(echo, { ...LOCAL, maxConnections }), RangeError, message);
  }
});

/** Ways to take a place; each gives what makes it free again. */
const OCCUPANTS: [string, (server: WsServer) => Promise<() => unknown>][] = [
  ["is open", async (server) => {
    const conn = await wsConnect(server.url);
    return () => conn.close();
  }],
  ["has sent nothing", async (server) => {
    const conn = await dial(server);
    return () => conn.close();
  }],
  ["has sent half a request", async (server) => {
    const conn = await dial(server);
    await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost:"));
    return () => conn.close();
  }],
  ["is being closed", async (server) => {
    const peer = await RawPeer.connect(server.addr);
    await peer.send(Opcode.Text, "close");
    assertEquals((await peer.next())?.[0], 0x88);
    return () => peer.conn.close();
  }],
  ["reads its page", async (server) => {
    const conn = await dial(server);
    await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    await conn.read(new Uint8Array(1));
    return () => conn.close();
  }],
];

for (const [what, occupy] of OCCUPANTS) {
  Deno.test(`a connection takes a place while it ${what}`, async () => {
    await using server = wsServe(async (conn) => {
      for await (const message of conn) if (message === "close") await conn.close();
    }, {
      ...LOCAL,
      maxConnections: 1,
      onRequest: () => new Response(new Uint8Array(50_000_000)),
      onError: () => {},
    });
    const leave = await occupy(server);
    await assertFull(server);
    await assertFull(server);
    await leave();
    // the server may have to notice first that it is gone
    let next: WsConn | void = undefined;
    while (next === undefined) {
      next = await wsConnect(server.url).catch((error) => assertEquals(error.status, 503));
    }
    await next.close();
  });
}

Deno.test("the refusal waits for no request, and is not lost to one that is on its way", async () => {
  await using server = wsServe(echo, { ...LOCAL, maxConnections: 1, onError: () => {} });
  await using _only = await wsConnect(server.url);
  const mute = await dial(server);
  assertMatch(await toText(mute.readable), /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  const talker = await dial(server);
  await talker.read(new Uint8Array(1));
  // the server hears it out: a socket that was closed at once would answer with a reset
  for (let sent = 0; sent < 20; sent++) await talker.write(new Uint8Array(64 * 1024));
  await talker.closeWrite();
  assertMatch(await toText(talker.readable), /^TTP\/1\.1 503 [^]*\r\nRetry-After: 10\r\n/i);
});

Deno.test("a flood over maxConnections is answered up to a bound, and closed at once beyond it", async () => {
  let refused = 0;
  await using server = wsServe(echo, {
    ...LOCAL,
    maxConnections: 1,
    onError: (error) => refused += error instanceof WsHandshakeError ? 1 : 0,
  });
  await using only = await wsConnect(server.url);
  const flood: Deno.TcpConn[] = [];
  await times(1000, async () => void flood.push(await dial(server)));
  await only.send("unharmed");
  assertEquals(await within(3000, "Honest echo", only.recv()), "unharmed");
  // none of them closes: it is the server that has to
  const answers = await Promise.all(flood.map((conn) => toText(conn.readable)));
  const answered = answers.filter((answer) => answer.startsWith("HTTP/1.1 503 ")).length;
  assertGreaterOrEqual(answered, 128);
  assertLess(answered, 1000);
  assertEquals([answers.filter((answer) => answer === "").length, refused], [
    1000 - answered,
    1000,
  ]);
  await assertFull(server);
  await only.close();
  await (await wsConnect(server.url)).close();
});

Deno.test("a flood that never begins its TLS handshake takes refusals up for 2 s at most", async () => {
  await using server = wsServe(echo, {
    ...LOCAL,
    ...certs.server,
    maxConnections: 1,
    onError: () => {},
  });
  await using _only = await wsConnect(server.url, { caCerts: [certs.ca] });
  const mute: Deno.TcpConn[] = [];
  await times(128, async () => void mute.push(await dial(server)));
  const statuses: number[] = [];
  await within(
    6000,
    "Refusal",
    (async () => {
      while (statuses.at(-1) !== 503) {
        const error = await assertRejects(() => wsConnect(server.url, { caCerts: [certs.ca] }));
        statuses.push(error instanceof WsHandshakeError ? error.status : 0);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })(),
  );
  assertEquals(statuses[0], 0); // closed at once
  mute.forEach((conn) => conn.close());
});

Deno.test("shutdown waits for refusals no longer than closeTimeout, and ends them", async () => {
  const server = wsServe(echo, {
    ...LOCAL,
    maxConnections: 1,
    closeTimeout: 0.05,
    onError: () => {},
  });
  const only = await wsConnect(server.url);
  using refused = await dial(server);
  const buffer = new Uint8Array(1024);
  while (await refused.read(buffer) !== null);
  await refused.write(buffer); // the server still hears it out
  await within(900, "Shutdown", server.shutdown());
  assertEquals((await only.finished).code, 1001);
  await assertRejects(async () => {
    for (let sent = 0; sent < 10; sent++) {
      await refused.write(buffer);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
});
