/**
 * Behind nginx and HAProxy: the configuration files of examples/reverse_proxy/ with the real programs, and the server of the
 * same folder behind them.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Buffer } from "node:buffer";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  type WsConn,
  wsConnect,
  type WsConnectOptions,
  WsHandshakeError,
  wsServe,
  type WsServeOptions,
  type WsServer,
} from "../../mod.ts";
import { certs } from "../helpers/certs.ts";
import { Program } from "../helpers/program.ts";
import { PROXIES, type ProxyKind } from "../helpers/reverse_proxy.ts";
import { LOCAL } from "../helpers/sockets.ts";

const SERVER = new URL("../../examples/reverse_proxy/server.ts", import.meta.url).href;

/** The server of the examples, with just the permission that its comment names. */
async function startServer(port = 0, ...args: string[]): Promise<Program & { port: number }> {
  const program = Program.deno(["run", "--allow-net", SERVER, "--port", `${port}`, ...args]);
  const [, listening] = await program.line(/^Listening on port (\d+)$/);
  return Object.assign(program, { port: Number(listening) });
}

function connect(
  proxy: { port: number },
  options: WsConnectOptions = {},
  path = "",
): Promise<WsConn> {
  return wsConnect(`wss://localhost:${proxy.port}/${path}`, { caCerts: [certs.ca], ...options });
}

/** A server of this process. */
function serve(options: WsServeOptions = {}): WsServer & { port: number } {
  const server = wsServe(async (conn) => {
    for await (const message of conn) await conn.send(message);
  }, {
    ...LOCAL,
    compression: true,
    onRequest: () => new Response("up"), // which HAProxy asks for
    onError() {},
    ...options,
  });
  return Object.assign(server, { port: (server.addr as Deno.NetAddr).port });
}

/** Which process answers: the server of the examples says so first. */
async function pidOf(conn: WsConn): Promise<number> {
  const [, pid] = (await conn.recv() as string).match(/^Server (\d+): /)!;
  return Number(pid);
}

/** Tries again until it succeeds. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 20_000;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const SHUTDOWN = { code: 1001, reason: "Server shutdown", wasClean: true };

const TESTS: Record<string, (kind: ProxyKind) => Promise<void>> = {
  async "messages of all sizes, compression, Pings both ways, close codes and plain HTTP pass"(
    kind,
  ) {
    await using server = serve();
    await using proxy = await kind.start({ servers: [server.port] });
    using client = Deno.createHttpClient({ caCerts: [certs.ca] });
    assertEquals(await (await fetch(`https://localhost:${proxy.port}/`, { client })).text(), "up");

    const conn = await connect(proxy, { compression: true });
    assertStringIncludes(conn.extensions, "permessage-deflate");
    const bytes = Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 7919) >> 5);
    for (const message of ["", "Grüße, 世界 👋", bytes.slice(0, 3), bytes, "é".repeat(1 << 19)]) {
      await conn.send(message);
      assertEquals(await conn.recv(), message);
    }
    const [peer] = server.connections;
    assert(await conn.ping() > 0);
    assert(await peer!.ping() > 0);
    await conn.close(4001, "the client's");
    assertEquals(await peer!.finished, { code: 4001, reason: "the client's", wasClean: true });

    const other = await connect(proxy);
    await other.send("now the server has it, too");
    await other.recv();
    const [its] = server.connections;
    await its!.close(4002, "the server's");
    assertEquals(await other.finished, { code: 4002, reason: "the server's", wasClean: true });
  },

  async "the server knows the client's address, URL and origin, whatever headers it forges"(kind) {
    await using server = await startServer();
    await using proxy = await kind.start({ servers: [server.port] });
    const here = `localhost:${proxy.port}`;
    const conn = await connect(proxy, { headers: { Origin: `https://${here}` } }, "room?id=1");
    const greeting = `Server ${server.pid}: you are 127.0.0.1, at wss://${here}/room?id=1`;
    assertEquals(await conn.recv(), greeting);
    await conn.close();

    for (const Origin of ["https://elsewhere.example", "https://localhost"]) {
      const refused = await assertRejects(
        () => connect(proxy, { headers: { Origin } }),
        WsHandshakeError,
      );
      assertEquals(refused.status, 403);
    }

    const head = [
      "GET / HTTP/1.1",
      `Host: ${here}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      "X-Forwarded-For: 203.0.113.9",
      "X-Forwarded-For: 203.0.113.10, 203.0.113.11",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: elsewhere.example",
    ];
    const answer = await exchangeFrom("127.0.0.5", proxy.port, head);
    assertStringIncludes(answer, `you are 127.0.0.5, at wss://${here}/`);
  },

  async "an idle connection stays if the server pings more often than the proxy's time-out, and is cut if not"(
    kind,
  ) {
    await using pinging = serve({ pingInterval: 0.3 });
    await using silent = serve({ pingInterval: 0 });
    await using one = await kind.start({ servers: [pinging.port], idle: "1500ms" });
    await using other = await kind.start({ servers: [silent.port], idle: "1500ms" });
    const kept = await connect(one, { pingInterval: 0 });
    const cut = await connect(other, { pingInterval: 0 });
    assertEquals((await cut.finished).code, 1006);
    // has been idle for longer than the one that was cut for it
    await kept.send("still here");
    assertEquals(await kept.recv(), "still here");
    await kept.close();
  },

  async "a server that is full has its clients let in by another one, until all are full"(kind) {
    await using small = serve({ maxConnections: 1 });
    await using large = serve({ maxConnections: 3 });
    await using proxy = await kind.start({ servers: [small.port, large.port] });
    // a health check takes a place, too, for a moment
    const conns = [];
    while (conns.length < 4) conns.push(await eventually(() => connect(proxy)));
    assertEquals([small.connections.size, large.connections.size], [1, 3]);
    const refused = await assertRejects(() => connect(proxy), WsHandshakeError);
    // nginx does not ask those again at once that have just refused
    assert([503, kind.nobody].includes(refused.status), `${refused.status}`);
    await Promise.all(conns.map((conn) => conn.close()));
  },

  async "a reload keeps the connections that are open; new ones go to the new process"(kind) {
    await using before = await startServer();
    await using after = await startServer();
    await using proxy = await kind.start({ servers: [before.port] });
    const old = await connect(proxy);
    assertEquals(await pidOf(old), before.pid);
    await proxy.reload({ servers: [after.port] });
    await eventually(async () => {
      await using conn = await connect(proxy);
      assertEquals(await pidOf(conn), after.pid);
    });
    await old.send("still here");
    assertEquals(await old.recv(), "still here");
    await old.close();
  },

  async "a server that ends has its clients come back to another one, or wait for it"(kind) {
    await using first = await startServer();
    await using second = await startServer();
    await using proxy = await kind.start({ servers: [first.port, second.port] });
    const conns = [await connect(proxy), await connect(proxy)];
    const pids = await Promise.all(conns.map(pidOf));
    assertEquals(new Set(pids), new Set([first.pid, second.pid]));
    const [ofFirst, ofSecond] = pids[0] === first.pid ? conns : conns.toReversed();

    first.signal("SIGTERM");
    assertEquals(await ofFirst!.finished, SHUTDOWN);
    const moved = await connect(proxy);
    assertEquals(await pidOf(moved), second.pid);

    second.signal("SIGTERM");
    for (const conn of [ofSecond!, moved]) assertEquals(await conn.finished, SHUTDOWN);
    const refused = await assertRejects(() => connect(proxy), WsHandshakeError);
    assertEquals(refused.status, kind.nobody);

    await second.status;
    await using third = await startServer(second.port);
    await using back = await eventually(() => connect(proxy));
    assertEquals(await pidOf(back), third.pid);
  },
};

for (const kind of PROXIES) {
  for (const [name, fn] of Object.entries(TESTS)) {
    Deno.test({
      name: `behind ${kind.name}: ${name}` +
        (kind.found ? "" : ` (ignored: no ${kind.name} on this machine)`),
      ignore: !kind.found,
      fn: () => fn(kind),
    });
  }
}

Deno.test("reverse_proxy/server: only the proxy's X-Forwarded-* count, and of them the last", async () => {
  const headers = { "X-Forwarded-For": "203.0.113.9, 203.0.113.10", "X-Forwarded-Proto": "https" };
  const cases = [
    ["127.0.0.1", "you are 203.0.113.10, at wss://"],
    ["192.0.2.1", "you are 127.0.0.1, at ws://"],
  ] as const;
  for (const [trusted, expected] of cases) {
    await using server = await startServer(0, "--proxy", trusted);
    const url = `ws://127.0.0.1:${server.port}/`;
    await using conn = await wsConnect(url, { headers });
    assertStringIncludes(await conn.recv() as string, `${expected}127.0.0.1:${server.port}/`);
  }
});

/** Sends a request over TLS from another address of this machine; gives the answer, with the greeting behind it. */
function exchangeFrom(localAddress: string, port: number, head: string[]): Promise<string> {
  const socket = connectTls({
    socket: connectTcp({ host: "127.0.0.1", port, localAddress }),
    servername: "localhost",
    ca: certs.ca,
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  socket.on("data", (bytes: Buffer) => {
    answer += bytes.toString();
    if (/you are .*\/$/.test(answer)) resolve(answer);
  });
  socket.on("error", reject);
  socket.on("close", () => reject(new Error(`It ended after ${answer}`)));
  socket.write(head.join("\r\n") + "\r\n\r\n");
  return promise.finally(() => socket.destroy());
}
