/** Attacks on the opening handshake, and by connections that never come to one. */
import { once } from "node:events";
import net from "node:net";
import { assert, assertEquals, assertLess, assertMatch, assertRejects } from "@std/assert";
import { concat } from "@std/bytes";
import { wsConnect } from "../../mod.ts";
import { encodeFrame, Opcode } from "../../framing/mod.ts";
import { bytesOf, randomBytes, seeded } from "../helpers/bytes.ts";
import { attack, type Report, REQUEST, times } from "./attack.ts";

/** All that the server says until the connection ends, however it ends; closes it. */
async function answer(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4096);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let length; (length = await conn.read(buffer)) !== null;) {
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
    }
  } catch {
    // reset
  }
  conn.close();
  return text;
}

function total(errors: Report["errors"]): number {
  return Object.values(errors).reduce((sum, count) => sum + count, 0);
}

/** The errors without what differs from one to the next: their names and codes, and how many. */
function kinds(errors: Report["errors"]): Report["errors"] {
  const counts: Report["errors"] = {};
  for (const [error, count] of Object.entries(errors)) {
    const [kind = ""] = error.split(":");
    counts[kind] = (counts[kind] ?? 0) + count;
  }
  return counts;
}

attack(
  "heads without end get 431, long before their sender is done",
  { atMost: 30 },
  async (victim) => {
    const endless = bytesOf("x".repeat(1024));
    const lines = bytesOf("A: b\r\n".repeat(10));
    await times(100, async (index) => {
      const conn = await victim.connect();
      await conn.write(bytesOf("GET / HTTP/1.1\r\nA: "));
      let sent = 0;
      const sending = (async () => {
        for (; sent < 10_000; sent++) await conn.write(index % 2 === 0 ? endless : lines);
      })().catch(() => {}); // closed, once the answer has come
      assertMatch(await answer(conn), /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
      await sending;
      assertLess(sent, 10_000);
    });
    return {
      "WsHandshakeError 431: Head is larger than 16 KiB or has more than 128 lines": 100,
    };
  },
);

attack("a request that comes byte by byte gets 408 when the time is up", {
  atMost: 20,
  handshakeTimeout: 0.3,
}, async (victim) => {
  await times(100, async () => {
    const conn = await victim.connect();
    conn.setNoDelay();
    let ended = false;
    const sending = (async () => {
      for (let at = 0; !ended; at++) {
        assert(at < REQUEST.length, "the request was taken whole");
        await conn.write(REQUEST.subarray(at, at + 1));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })().catch((error) => {
      if (!ended && !(error instanceof Deno.errors.BrokenPipe)) throw error;
    });
    assertMatch(await answer(conn), /^HTTP\/1\.1 408 Request Timeout\r\n/);
    ended = true;
    await sending;
  });
  return { "WsHandshakeError 408: No request within 0.3 s": 100 };
});

attack("3000 connections that say nothing get 408 when the time is up, and are closed", {
  atMost: 200,
  handshakeTimeout: 1,
}, async (victim) => {
  const conns: Deno.Conn[] = [];
  await times(3000, async () => void conns.push(await victim.connect()));
  for (const text of await Promise.all(conns.map(answer))) {
    assertMatch(text, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  }
  return { "WsHandshakeError 408: No request within 1 s": 3000 };
});

attack("500 connections to a TLS port that say nothing are given up when the time is up", {
  atMost: 80,
  handshakeTimeout: 0.3,
  tls: true,
}, async (victim) => {
  const conns: Deno.Conn[] = [];
  await times(500, async () => void conns.push(await victim.connect()));
  const given = "WsHandshakeError 408: No request within 0.3 s";
  await victim.reports(({ errors }) => errors[given] === 500);
  // Deno closes the socket of a TlsConn in its handshake only when the peer does: none of them sees an end before
  conns.forEach((conn) => conn.close());
  return { [given]: 500 };
});

for (const tls of [false, true]) {
  const port = tls ? "a TLS port" : "a plain port";
  attack(`random bytes to ${port} before the handshake are refused, every one`, {
    atMost: 40,
    handshakeTimeout: 5,
    tls,
  }, async (victim) => {
    const random = seeded(7);
    await times(500, async () => {
      const garbage = randomBytes(random, 1 + random(2000));
      const conn = await victim.connect();
      await conn.write(garbage);
      await conn.closeWrite().catch(() => {}); // the answer may be there already, and the end
      const text = await answer(conn);
      if (!tls) assertMatch(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
    });
    const { errors } = await victim.reports(({ connections, errors }) =>
      connections === 1 && total(errors) === 500
    );
    assertEquals(kinds(errors), { "WsHandshakeError 400": 500 });
  });
}

attack("TLS to a plain port is told so", { atMost: 15 }, async (victim) => {
  const hello = Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03);
  await times(100, async () => {
    const conn = await victim.connect();
    await conn.write(hello);
    assertMatch(await answer(conn), /^HTTP\/1\.1 400 [^]*a TLS client must connect to a TLS port/);
  });
  await times(20, async () => {
    await assertRejects(() => wsConnect(victim.url.replace("ws:", "wss:")), Error);
  });
  return {
    "WsHandshakeError 400: This is not HTTP; a TLS client must connect to a TLS port": 120,
  };
});

attack(
  "plain HTTP to a TLS port ends the connection at once",
  { atMost: 15, tls: true },
  async (victim) => {
    await times(100, async () => {
      const conn = await victim.connect();
      await conn.write(REQUEST);
      assert(!(await answer(conn)).startsWith("HTTP"));
    });
    await times(20, async () => {
      await assertRejects(() => wsConnect(victim.url.replace("wss:", "ws:")), Error);
    });
    const { errors } = await victim.report();
    assertEquals(kinds(errors), { "WsHandshakeError 400": 120 });
  },
);

attack("3000 connections that are reset, wherever they stand, leave nothing", {
  atMost: 200,
}, async (victim) => {
  const binary = encodeFrame(Opcode.Binary, new Uint8Array(100_000), { maskKey: 0 });
  const beginnings = [
    new Uint8Array(0),
    REQUEST.subarray(0, 50),
    REQUEST, // reset before the answer can be written, or with it
    concat([REQUEST, binary]), // reset within the echo
  ];
  await times(3000, async (index) => {
    // of what Deno has, only node:net can send RST rather than FIN
    const socket = net.connect(victim.addr.port, victim.addr.hostname);
    await once(socket, "connect");
    const bytes = beginnings[index % 4]!;
    if (bytes.length > 0) await new Promise((resolve) => socket.write(bytes, resolve));
    if (index % 4 === 3) await once(socket, "data");
    socket.resetAndDestroy();
    await once(socket, "close");
  });
  const { errors } = await victim.reports(({ connections, errors }) =>
    connections === 1 && total(errors) === 3000
  );
  // the listener is told of none of them, nor is anything thrown that is not the peers' doing
  for (const error of Object.keys(errors)) {
    assertMatch(error, /^(WsHandshakeError 400|WsConnectionLost|WsConnectionClosed): /);
  }
});
