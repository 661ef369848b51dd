import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { encodeClose, Opcode } from "../../framing/mod.ts";
import { HeadReader } from "../../handshake/head.ts";
import {
  type WsConn,
  wsConnect,
  WsConnectionClosed,
  WsConnectionLost,
  type WsHandshakeError,
  wsReconnect,
  type WsReconnectOptions,
  wsServe,
} from "../../mod.ts";
import { readHead } from "../../transport.ts";
import { LOCAL, RawPeer } from "../helpers/sockets.ts";
import { close, finish, follow, QUICK, refuse, taking, type Turn, vanish } from "./turns.ts";

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

Deno.test("a handler that is done has its connection closed with 1000, and the loop ends; one that gives no promise has not", async () => {
  const codes: number[] = [];
  let opened = 0;
  await using server = wsServe((conn) => {
    opened++;
    void conn.finished.then(({ code }) => codes.push(code));
    void conn.send("hello");
  }, LOCAL);
  await wsReconnect(server.url, {}, async (conn) => {
    assertEquals(await conn.recv(), "hello");
  });
  assertEquals([opened, codes], [1, [1000]]);

  await wsReconnect(server.url, {}, (conn) => {
    void conn.recv().then(() => conn.close(3000)); // somebody else goes on using it
  });
  assertEquals(opened, 2);
  for (const conn of server.connections) await conn.finished;
  assertEquals(codes, [1000, 3000]);
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

Deno.test("whenLost in what a function returns counts before that of the loop", async () => {
  for (const [inLoop, inTarget] of [["end", "throw"], ["throw", "end"]] as const) {
    await taking([vanish], async (url) => {
      const target = () => ({ url, whenLost: inTarget });
      for await (const conn of wsReconnect(target, { whenLost: inLoop })) {
        if (inTarget === "throw") await assertRejects(() => conn.recv(), WsConnectionLost);
        else assertEquals(await conn.recv(), null);
        break;
      }
    });
  }
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
