import { once } from "node:events";
import { createServer } from "node:net"; // alone can reset a connection
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { encodeClose, Opcode } from "../../framing/mod.ts";
import { acceptKey } from "../../handshake/challenge.ts";
import {
  WsConnectionClosed,
  WsConnectionLost,
  WsHandshakeError,
  WsProtocolError,
  wsReconnect,
  type WsReconnectOptions,
  type WsRetry,
  wsServe,
} from "../../mod.ts";
import { certs } from "../helpers/certs.ts";
import { example, Program } from "../helpers/program.ts";
import { ConnectProxy } from "../helpers/proxy.ts";
import { LOCAL, RawPeer } from "../helpers/sockets.ts";
import { close, finish, follow, QUICK, refuse, taking, type Turn, vanish } from "./turns.ts";

async function startEcho(port: string) {
  const program = Program.deno([
    ...["run", "--allow-net", example("echo_server.ts"), "--port", port],
  ]);
  const [, bound = ""] = await program.line(/:(\d+)\//);
  return { port: bound, kill: () => program.end("SIGKILL") };
}

Deno.test("a server process that is killed and started again has its client back", async () => {
  let server = startEcho("0");
  const { port } = await server;
  const echoes: unknown[] = [];
  const causes: unknown[] = [];
  const retry = { firstDelay: 0.05, maxDelay: 0.1 };
  const onRetry = ({ cause }: WsRetry) => causes.push(cause);
  for await (const conn of wsReconnect(`ws://127.0.0.1:${port}/`, { retry, onRetry })) {
    await conn.send(`connection ${echoes.length + 1}`);
    for await (const message of conn) {
      echoes.push(message);
      if (echoes.length === 2) await conn.close();
      else {
        await (await server).kill();
        server = startEcho(port);
      }
    }
  }
  assertEquals(echoes, ["connection 1", "connection 2"]);
  assertInstanceOf(causes[0], WsConnectionLost);
  for (const cause of causes.slice(1)) assertInstanceOf(cause, Deno.errors.ConnectionRefused);
  await (await server).kill();
});

Deno.test("a server that shuts down and comes back on its port, again and again", async () => {
  let server = wsServe((conn) => void conn.send("here"), LOCAL);
  const where = { hostname: "127.0.0.1", port: (server.addr as Deno.NetAddr).port };
  const codes: (number | undefined)[] = [];
  let heard = 0;
  const onRetry = async ({ cause }: WsRetry) => {
    if (!(cause instanceof WsConnectionClosed)) return; // refused: it is not back yet
    codes.push(cause.closeInfo?.code);
    await server.finished;
    server = wsServe((conn) => void conn.send("here"), where);
  };
  for await (
    const conn of wsReconnect(server.url, { retry: QUICK, onRetry: (retry) => void onRetry(retry) })
  ) {
    for await (const _message of conn) {
      if (++heard === 4) await conn.close();
      else void server.shutdown();
    }
  }
  assertEquals(codes, [1001, 1001, 1001]);
  await server.shutdown();
});

Deno.test("a server that vanishes: the messages end, the loop is told why, and goes on", async () => {
  await taking([vanish, vanish, finish], async (url) => {
    const { error, retries, conns } = await follow(url);
    assertEquals([error, conns.length, retries.length], [undefined, 3, 2]);
    assertEquals((await conns[0]!.finished).code, 1006);
    for (const { cause } of retries) {
      assertInstanceOf(cause, WsConnectionLost);
      assertEquals(cause.message, "The peer ended the connection without a Close frame");
    }
  });
});

Deno.test("a server that resets the connection: once before its answer, once after it", async () => {
  let clients = 0;
  const server = createServer((socket) => {
    const client = ++clients;
    socket.once("data", (head) => {
      if (client === 1) return socket.resetAndDestroy();
      const key = String(head).match(/^sec-websocket-key: (.*)\r$/im)![1]!;
      socket.write(
        `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${
          acceptKey(key)
        }\r\n\r\n`,
      );
      socket.once("data", () => socket.resetAndDestroy());
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const causes: unknown[] = [];
  const url = `ws://127.0.0.1:${(server.address() as { port: number }).port}/`;
  const onRetry = ({ cause }: WsRetry) => causes.push(cause);
  for await (const conn of wsReconnect(url, { retry: QUICK, onRetry })) {
    if (clients === 3) break;
    await conn.send("reset by this");
    assertEquals(await conn.recv(), null);
  }
  assertEquals(causes.length, 2);
  assertInstanceOf(causes[0], Deno.errors.ConnectionReset);
  assertInstanceOf(causes[1], WsConnectionLost);
  assertInstanceOf(causes[1].cause, Deno.errors.ConnectionReset);
  server.close();
  await once(server, "close");
});

Deno.test("a peer that answers no Ping is lost, and connected to again", async () => {
  const keepSilent: Turn = async (listener) => {
    using peer = await RawPeer.accept(listener);
    await peer.end();
  };
  await taking([keepSilent, finish], async (url) => {
    const { error, retries } = await follow(url, {
      pingInterval: 0.02,
      pingTimeout: 0.02,
      closeTimeout: 0.02,
    });
    assertEquals(error, undefined);
    assertEquals(retries.length, 1);
    const [{ cause }] = retries as [WsRetry];
    assertInstanceOf(cause, WsConnectionLost);
    assert(cause.message.startsWith("No answer to a Ping for 0.02 s"), cause.message);
  });
});

Deno.test("closed with 1001, 1012 or 1013: another connection follows", async () => {
  const codes = [1001, 1012, 1013];
  const turns = codes.map((code) => close(encodeClose(code, "later")));
  await taking([...turns, finish], async (url) => {
    const { error, retries, conns } = await follow(url);
    assertEquals([error, conns.length], [undefined, 4]);
    for (const [at, { cause }] of retries.entries()) {
      assertInstanceOf(cause, WsConnectionClosed);
      assertEquals(cause.message, `The peer closed the connection (${codes[at]} "later")`);
      assertEquals(cause.closeInfo, { code: codes[at]!, reason: "later", wasClean: true });
    }
  });
});

Deno.test("closed with 1000 or without a code: the loop ends", async () => {
  for (const payload of [encodeClose(1000), encodeClose(1005)]) {
    await taking([close(payload)], async (url) => {
      const { error, retries, conns } = await follow(url);
      assertEquals([error, retries.length, conns.length], [undefined, 0, 1]);
    });
  }
});

Deno.test("closed with any other code: the loop throws it", async () => {
  for (const code of [1002, 1003, 1007, 1008, 1009, 1010, 1011, 1014, 3000, 4000]) {
    await taking([close(encodeClose(code, "no"))], async (url) => {
      const { error, retries } = await follow(url);
      assertInstanceOf(error, WsConnectionClosed);
      assertEquals(error.closeInfo, { code, reason: "no", wasClean: true });
      assertEquals(retries.length, 0);
    });
  }
});

Deno.test("a peer that breaks the protocol is not connected to again, whether the body receives or not", async () => {
  const breakRules: Turn = async (listener) => {
    using peer = await RawPeer.accept(listener);
    await peer.send(3);
    peer.conn.closeWrite();
    await peer.end();
  };
  await taking([breakRules], async (url) => {
    const { error } = await follow(url);
    assertInstanceOf(error, WsProtocolError);
  });
  await taking([breakRules], async (url) => {
    let turns = 0;
    await assertRejects(async () => {
      for await (const _conn of wsReconnect(url, { retry: QUICK })) turns++;
    }, WsProtocolError);
    assertEquals(turns, 1);
  });
});

Deno.test("refused with 408, 429 or 5xx, or not answered at all: it is tried again", async () => {
  const hangUp: Turn = async (listener) => (await listener.accept()).close();
  const statuses = [408, 429, 500, 502, 503, 504];
  const turns = [...statuses.map((status) => refuse(status)), hangUp, finish];
  await taking(turns, async (url) => {
    const { error, retries, conns } = await follow(url);
    assertEquals([error, conns.length], [undefined, 1]);
    const heard = retries.map(({ cause }) => (cause as WsHandshakeError).status);
    assertEquals(heard.slice(0, -1), statuses);
    assertEquals(retries.map(({ attempt }) => attempt), [1, 2, 3, 4, 5, 6, 7]);
  });
});

Deno.test("refused with any other status: the loop throws the refusal", async () => {
  for (const status of [200, 301, 400, 401, 403, 404, 407, 410, 426]) {
    await taking([refuse(status)], async (url) => {
      const { error, retries } = await follow(url);
      assertInstanceOf(error, WsHandshakeError);
      assertEquals([error.status, retries.length], [status, 0]);
    });
  }
});

Deno.test("Retry-After is waited for, no longer than maxDelay", async () => {
  await taking([refuse(503, "Retry-After: 3600"), finish], async (url) => {
    const { retries } = await follow(url, { retry: { maxDelay: 0.01 } });
    assertEquals(retries.map(({ delay }) => delay), [0.01]);
  });
  let refused = 0;
  let waited = 0;
  const busy: Turn = async (listener) => {
    await refuse(503, "Retry-After: 1")(listener);
    refused = performance.now();
  };
  const letIn: Turn = async (listener) => {
    await finish(listener);
    waited = performance.now() - refused;
  };
  await taking([busy, letIn], async (url) => {
    const { error, retries } = await follow(url, { retry: { firstDelay: 0, maxDelay: 60 } });
    assertEquals(error, undefined);
    assertEquals(retries.map(({ delay }) => delay), [1]);
  });
  assert(waited > 950, `${waited} ms`);
});

Deno.test("what cannot succeed is thrown at once: the URL, the options, the certificate", async () => {
  const onRetry = ({ cause }: WsRetry) => {
    throw new Error(`tried again after ${cause}`);
  };
  const first = (url: string, options: WsReconnectOptions = {}) =>
    wsReconnect(url, { onRetry, ...options }).next();
  await assertRejects(() => first("localhost"), SyntaxError, "not a URL");
  await assertRejects(() => first("ftp://localhost/"), SyntaxError, "scheme");
  const url = "ws://127.0.0.1:1/";
  await assertRejects(() => first(url, { protocols: "a b" }), SyntaxError, "not a token");
  await assertRejects(() => first(url, { headers: { a: "\r\n" } }), TypeError);
  await assertRejects(() => first(url, { closeTimeout: -1 }), RangeError);
  await assertRejects(() => first(url, { retry: { factor: 0 } }), RangeError, "factor");
  const taken = { conn: {} } as WsReconnectOptions;
  await assertRejects(() => first(url, taken), TypeError, 'Cannot reconnect with "conn"');
  await using server = wsServe(() => {}, { ...LOCAL, ...certs.server });
  await assertRejects(() => first(server.url), Deno.errors.InvalidData, "certificate");
  await assertRejects(() => first(server.url.replace("wss:", "ws:")), WsHandshakeError, "not HTTP");
});

Deno.test("a name that is not found, and a server that is slow to answer, may pass", async () => {
  using silent = Deno.listen(LOCAL);
  for (
    const [url, proxy] of [
      ["ws://nowhere.invalid/"],
      ["ws://nowhere.invalid/", "http://nowhere.invalid"],
      [`ws://127.0.0.1:${silent.addr.port}/`],
    ] as const
  ) {
    const { error, retries } = await follow(url, {
      proxy,
      handshakeTimeout: 0.1, // a machine without a network may take long to say so
      retry: { maxRetries: 1 },
    });
    assertInstanceOf(error, Error);
    assertEquals(retries.length, 1);
  }
});

Deno.test("a proxy: TLS that the server ends within its handshake may pass, bytes that come before it do not", async () => {
  for (const tls of [{}, { tls: certs.server }]) {
    for (const identity of [{}, certs.client]) { // with one, node:tls does it rather than Deno
      const settings = { caCerts: [certs.ca], ...identity, retry: { maxRetries: 1 } };
      await using ending = new ConnectProxy({
        ...tls,
        answer: "HTTP/1.1 200 OK\r\n\r\n",
        then: "close",
      });
      const passing = await follow("wss://localhost/", { ...settings, proxy: ending.url });
      assertEquals(passing.retries.length, 1, `${passing.error}`);

      await using talking = new ConnectProxy({
        ...tls,
        answer: "HTTP/1.1 200 OK\r\n\r\nhello",
        then: "close",
      });
      const lasting = await follow("wss://localhost/", { ...settings, proxy: talking.url });
      assertInstanceOf(lasting.error, WsHandshakeError);
      assertEquals([lasting.error.status, lasting.retries.length], [200, 0]);
    }
  }
});

Deno.test("where nobody listens: ever longer delays, and after maxRetries what the last one failed of", async () => {
  const listener = Deno.listen(LOCAL);
  const { port } = listener.addr;
  listener.close();
  const { error, retries } = await follow(`ws://127.0.0.1:${port}/`, {
    retry: { firstDelay: 0.001, maxDelay: 0.01, maxRetries: 6 },
  });
  assertInstanceOf(error, Deno.errors.ConnectionRefused);
  assertEquals(retries.map(({ attempt }) => attempt), [1, 2, 3, 4, 5, 6]);
  for (const [at, { delay, cause }] of retries.entries()) {
    assert(delay >= 0 && delay <= Math.min(0.01, 0.001 * 2 ** at), `${at}: ${delay}`);
    assertInstanceOf(cause, Deno.errors.ConnectionRefused);
  }
});

Deno.test("a connection that has held for resetAfter counts the retries from the first; one that was dropped does not", async () => {
  const hold: Turn = async (listener) => {
    using peer = await RawPeer.accept(listener);
    await peer.send(Opcode.Ping);
    await peer.next(); // the client is there
    await new Promise((resolve) => setTimeout(resolve, 60));
    await peer.send(Opcode.Close, encodeClose(1012));
    await peer.next();
  };
  const turns = [refuse(503), vanish, hold, refuse(503), finish];
  await taking(turns, async (url) => {
    const { retries } = await follow(url, { retry: { resetAfter: 3600 } });
    assertEquals(retries.map(({ attempt }) => attempt), [1, 2, 3, 4]);
  });
  await taking(turns.slice(2), async (url) => {
    const { retries } = await follow(url, { retry: { resetAfter: 0.05 } });
    assertEquals(retries.map(({ attempt }) => attempt), [1, 2]);
  });
  await taking([refuse(503), refuse(503), hold, refuse(503), finish], async (url) => {
    const { retries } = await follow(url, { retry: { resetAfter: 0.05 } });
    assertEquals(retries.map(({ attempt }) => attempt), [1, 2, 1, 2]);
  });
  await taking([refuse(503), hold, hold, hold], async (url) => {
    const { error, retries } = await follow(url, { retry: { resetAfter: 3600, maxRetries: 3 } });
    assertEquals(retries.length, 3);
    assertEquals((error as WsConnectionClosed).closeInfo?.code, 1012); // dropped every time
  });
});

Deno.test("retry.when is asked with what would be done, and has the last word, but for this side's own Close", async () => {
  const asked: unknown[] = [];
  const when = (cause: unknown, byDefault: boolean) => {
    const what = cause instanceof WsConnectionClosed
      ? cause.closeInfo?.code
      : (cause as WsHandshakeError).status;
    asked.push([what, byDefault]);
    return what !== 1012;
  };
  const bye = close(encodeClose(1000));
  await taking([refuse(401), bye, close(encodeClose(1012))], async (url) => {
    const { error } = await follow(url, { retry: { when } });
    assertEquals((error as WsConnectionClosed).closeInfo?.code, 1012);
  });
  assertEquals(asked, [[401, false], [1000, false], [1012, true]]);
  await using server = wsServe(() => {}, LOCAL);
  for await (const conn of wsReconnect(server.url, { retry: { when: () => true } })) {
    await conn.close();
  }
});
