import { once } from "node:events";
import { createServer } from "node:net"; // alone can reset a connection
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  type WsConn,
  wsConnect,
  WsConnectionClosed,
  WsConnectionLost,
  WsHandshakeError,
  WsProtocolError,
  wsReconnect,
  type WsReconnectOptions,
  type WsRetry,
  wsServe,
} from "../mod.ts";
import { encodeClose, Opcode } from "../framing/mod.ts";
import { acceptKey } from "../handshake/challenge.ts";
import { HeadReader } from "../handshake/head.ts";
import { readHead } from "../transport.ts";
import { certs } from "./helpers/certs.ts";
import { LOCAL, RawPeer } from "./helpers/sockets.ts";

/** Delays that do not make a test long. */
const QUICK = { firstDelay: 0.005, maxDelay: 0.02 };

/** What a server does with one client. */
type Turn = (listener: Deno.TcpListener) => Promise<unknown>;

/** A server by hand that takes its clients one after the other, each in a way of its own. */
async function taking(turns: Turn[], use: (url: string) => Promise<unknown>): Promise<void> {
  using listener = Deno.listen(LOCAL);
  const taken = (async () => {
    for (const turn of turns) await turn(listener);
  })();
  await use(`ws://127.0.0.1:${listener.addr.port}/`);
  await taken; // all of them have come
}

const refuse = (status: number, ...headers: string[]): Turn => async (listener) => {
  using conn = await listener.accept();
  await readHead(conn, new HeadReader());
  const head = [`HTTP/1.1 ${status} No`, "Content-Length: 0", ...headers].join("\r\n");
  await conn.write(new TextEncoder().encode(head + "\r\n\r\n"));
};

const close = (payload: Uint8Array): Turn => async (listener) => {
  using peer = await RawPeer.accept(listener);
  await peer.send(Opcode.Close, payload);
  await peer.next();
};

/** Ends TCP without a Close. */
const vanish: Turn = async (listener) => {
  using peer = await RawPeer.accept(listener);
  peer.conn.closeWrite();
  await peer.end();
};

/** Ends the loop. */
const finish = close(encodeClose(1000));

/** Goes through all connections and their messages; returns what it was told. */
async function follow(url: string, options: WsReconnectOptions = {}) {
  const retries: WsRetry[] = [];
  const messages: unknown[] = [];
  const conns: WsConn[] = [];
  const all = wsReconnect(url, {
    ...options,
    retry: { ...QUICK, ...options.retry },
    onRetry(retry) {
      retries.push(retry);
      options.onRetry?.(retry);
    },
  });
  const ended = (async () => {
    for await (const conn of all) {
      conns.push(conn);
      for await (const message of conn) {
        messages.push(message);
      }
      assertEquals(await conn.recv(), null);
    }
  })();
  const error = await ended.then(() => undefined, (error) => error);
  return { error, retries, messages, conns };
}

async function startEcho(port: string) {
  const script = new URL("../examples/echo_server.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", script, "--port", port],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const [, bound = ""] = (await reader.read()).value?.match(/:(\d+)\//) ?? [];
  const kill = async () => {
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
  };
  return { port: bound, kill };
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
  for (const url of ["ws://nowhere.invalid/", `ws://127.0.0.1:${silent.addr.port}/`]) {
    const { error, retries } = await follow(url, {
      handshakeTimeout: 0.1, // a machine without a network may take long to say so
      retry: { maxRetries: 1 },
    });
    assertInstanceOf(error, Error);
    assertEquals(retries.length, 1);
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

Deno.test("signal: aborting ends the loop with its reason at every stage, and nothing listens to it any more", async () => {
  const reason = new Error("enough");
  class Counting extends AbortController {
    listeners = 0;
    constructor() {
      super();
      const { signal } = this;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (
        ...args: Parameters<typeof add>
      ) => (this.listeners++, add(...args));
      signal.removeEventListener = (
        ...args: Parameters<typeof remove>
      ) => (this.listeners--, remove(...args));
    }
  }

  // before anything
  const early = AbortSignal.abort(reason);
  const { error } = await follow("ws://127.0.0.1:1/", { signal: early });
  assertEquals(error, reason);

  // while it waits
  const waiting = new Counting();
  await taking([refuse(503)], async (url) => {
    const { error, retries } = await follow(url, {
      signal: waiting.signal,
      retry: { firstDelay: 3600, maxDelay: 3600 },
      onRetry: () => setTimeout(() => waiting.abort(reason), 5),
    });
    assertEquals([error, retries.length], [reason, 1]);
  });

  // while it connects
  const connecting = new Counting();
  const silent: Turn = async (listener) => {
    using conn = await listener.accept();
    await readHead(conn, new HeadReader());
    connecting.abort(reason);
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  };
  await taking([refuse(503), silent], async (url) => {
    const { error } = await follow(url, { signal: connecting.signal });
    assertEquals(error, reason);
  });
  assertEquals(connecting.listeners, 0);

  // while the URL is being asked for
  const asking = new Counting();
  const never = () => {
    setTimeout(() => asking.abort(reason), 5);
    return new Promise<string>(() => {});
  };
  const asked = await wsReconnect(never, { signal: asking.signal }).next().catch((error) => error);
  assertEquals([asked, asking.listeners], [reason, 0]);

  // while a connection is open
  const open = new Counting();
  const closed = Promise.withResolvers<number>();
  await using server = wsServe(
    (conn) => void conn.finished.then(({ code }) => closed.resolve(code)),
    LOCAL,
  );
  assertEquals(waiting.listeners, 0);
  const { error: whenOpen, conns } = await follow(server.url, {
    signal: open.signal,
    onOpen: () => setTimeout(() => open.abort(reason), 5),
  });
  assertEquals([whenOpen, conns.length, open.listeners], [reason, 1, 0]);
  assertEquals(await closed.promise, 1000);
});

Deno.test("break, return and throw leave the loop and close the connection", async () => {
  const codes: Promise<number>[] = [];
  await using server = wsServe((conn) => {
    codes.push(conn.finished.then(({ code }) => code));
  }, LOCAL);
  const conns: WsConn[] = [];
  for await (const conn of wsReconnect(server.url)) {
    conns.push(conn);
    break;
  }
  await (async () => {
    for await (const conn of wsReconnect(server.url)) return void conns.push(conn);
  })();
  await assertRejects(
    async () => {
      for await (const conn of wsReconnect(server.url)) {
        conns.push(conn);
        throw new Error("of the body");
      }
    },
    Error,
    "of the body",
  );
  for (const conn of conns) assertEquals((await conn.finished).code, 1000);
  assertEquals(await Promise.all(codes), [1000, 1000, 1000]);
});

Deno.test("closing the connection from this side ends the loop, in whatever way", async () => {
  await using server = wsServe(() => {}, LOCAL);
  const ways: ((conn: WsConn) => Promise<unknown>)[] = [
    (conn) => conn.close(),
    (conn) => conn.close(1001, "one that would be tried again"),
    (conn) => conn.close(4000),
    (conn) => conn.readable.cancel(),
    (conn) => conn.writable.close(),
  ];
  for (const way of ways) {
    const turns: WsConn[] = [];
    for await (const conn of wsReconnect(server.url)) {
      turns.push(conn);
      await way(conn);
    }
    assertEquals(turns.length, 1);
  }
  const ignore: Turn = async (listener) => {
    using peer = await RawPeer.accept(listener);
    await peer.end();
  };
  await taking([ignore], async (url) => { // which looks like a loss
    for await (const conn of wsReconnect(url, { closeTimeout: 0.01 })) {
      assertEquals((await conn.close()).code, 1006);
    }
  });
});

Deno.test("a body that comes round leaves the connection to whoever uses it, until its end", async () => {
  await using server = wsServe(async (conn) => {
    for await (const message of conn) await conn.send(message);
  }, LOCAL);
  const echoed: unknown[] = [];
  const use = async (conn: WsConn) => {
    for (const text of ["one", "two"]) {
      await conn.send(text);
      echoed.push(await conn.recv());
    }
    await conn.close();
  };
  for await (const conn of wsReconnect(server.url)) void use(conn);
  assertEquals(echoed, ["one", "two"]);
});

Deno.test("a handler that sends is not troubled by the end of its connection", async () => {
  const turns: number[] = [];
  await taking([vanish, close(encodeClose(1012)), finish], async (url) => {
    await wsReconnect(url, { retry: QUICK }, async (conn) => {
      turns.push(0);
      for (;;) {
        await conn.send("a reading");
        turns[turns.length - 1]!++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
  });
  assertEquals(turns.length, 3);
});

Deno.test('a handler that receives with whenLost: "throw" is not troubled either', async () => {
  const errors: unknown[] = [];
  await taking([vanish, finish], async (url) => {
    await wsReconnect(url, { retry: QUICK, whenLost: "throw" }, async (conn) => {
      try {
        await conn.recv();
      } catch (error) {
        errors.push(error);
        throw error;
      }
    });
  });
  assertEquals(errors.length, 1);
  assertInstanceOf(errors[0], WsConnectionLost);
});

Deno.test("whatever else a handler throws leaves the loop, and so does what another connection has thrown", async () => {
  await using server = wsServe(() => {}, LOCAL);
  for (
    const thrown of [new TypeError("a bug"), new WsConnectionClosed(), new WsConnectionLost("")]
  ) {
    let conn!: WsConn;
    const error = await wsReconnect(server.url, {}, (open) => {
      conn = open;
      throw thrown;
    }).catch((error) => error);
    assertEquals(error, thrown);
    assertEquals((await conn.finished).code, 1000);
  }
  const refused = wsReconnect("localhost", {}, () => {});
  await assertRejects(() => refused, SyntaxError);
});

Deno.test("a function gives URL and options anew for each attempt", async () => {
  const seen: unknown[] = [];
  await using server = wsServe((conn) => void conn.close(1012), {
    ...LOCAL,
    connHeaders(line, headers) {
      seen.push([line, headers.get("x-token"), headers.get("x-always")]);
      return seen.length === 3 ? new Response(null, { status: 404 }) : { state: undefined };
    },
  });
  let token = 0;
  const where = async () => {
    await Promise.resolve();
    token++;
    if (token === 1) return `${server.url}?token=1`;
    if (token === 2) return new URL(`${server.url}?token=2`);
    return { url: `${server.url}path`, headers: { "x-token": "3" } };
  };
  const headers = { "x-always": "a" };
  const error = await wsReconnect(where, { headers, retry: QUICK }, () => {}).catch((e) => e);
  assertEquals((error as WsHandshakeError).status, 404);
  assertEquals(seen, [
    ["GET /?token=1 HTTP/1.1", null, "a"],
    ["GET /?token=2 HTTP/1.1", null, "a"],
    ["GET /path HTTP/1.1", "3", null],
  ]);
  const failing = () => Promise.reject(new Error("no token to be had"));
  await assertRejects(() => wsReconnect(failing).next(), Error, "no token");
  const conn = { url: server.url, conn: {} };
  await assertRejects(() => wsReconnect(() => conn).next(), TypeError, '"conn"');
});

Deno.test("callbacks: told in order, before the delay and before the body; what they throw ends the loop", async () => {
  const told: string[] = [];
  await taking([refuse(503), close(encodeClose(1012)), finish], async (url) => {
    const all = wsReconnect(url, {
      retry: QUICK,
      onOpen: () => void told.push("open"),
      onRetry: ({ attempt, delay, cause }) => {
        assert(delay >= 0 && delay <= QUICK.maxDelay);
        told.push(`retry ${attempt}: ${(cause as Error).name}`);
      },
    });
    for await (const conn of all) {
      told.push("body");
      await conn.finished;
    }
  });
  assertEquals(told, [
    "retry 1: WsHandshakeError",
    "open",
    "body",
    "retry 2: WsConnectionClosed",
    "open",
    "body",
  ]);

  const fail = () => {
    throw new Error("of a callback");
  };
  await taking([refuse(503)], async (url) => {
    await assertRejects(() => wsReconnect(url, { onRetry: fail }).next(), Error, "of a callback");
  });
  const closed = Promise.withResolvers<number>();
  await using server = wsServe((conn) => {
    void conn.finished.then(({ code }) => closed.resolve(code));
  }, LOCAL);
  await assertRejects(
    () => wsReconnect(server.url, { onOpen: fail }).next(),
    Error,
    "of a callback",
  );
  assertEquals(await closed.promise, 1000);
});

Deno.test("whenLost: an error by default, the end on request; a message cut off is an error in any case", async () => {
  const cutOff: Turn = async (listener) => {
    using peer = await RawPeer.accept(listener);
    await peer.send(Opcode.Text, "whole");
    await peer.send(Opcode.Text, "in part", { fin: false });
    peer.conn.closeWrite();
    await peer.end();
  };
  await taking([cutOff], async (url) => {
    const conn = await wsConnect(url);
    assertEquals(await conn.recv(), "whole");
    await assertRejects(() => conn.recv(), WsConnectionLost);
  });
  await taking([cutOff], async (url) => {
    const conn = await wsConnect(url, { whenLost: "end" });
    assertEquals([await conn.recv(), await conn.recv(), await conn.recv()], ["whole", null, null]);
    assertEquals(await conn.finished, { code: 1006, reason: "", wasClean: false });
    await assertRejects(() => conn.send("x"), WsConnectionClosed);
  });
  await taking([cutOff], async (url) => {
    const conn = await wsConnect(url, { whenLost: "end" });
    assertEquals(await conn.recv(), "whole");
    const reader = (await conn.recvStream())!.getReader();
    await assertRejects(async () => {
      while (!(await reader.read()).done);
    }, WsConnectionLost);
  });
  const wrong = { whenLost: "ignore" } as unknown as WsReconnectOptions;
  await assertRejects(() => wsConnect("ws://localhost/", wrong), TypeError, "whenLost must be");
});
