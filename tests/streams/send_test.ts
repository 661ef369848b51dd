/** Messages sent as streams, `conn.sendStream()`, in both roles. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertRejects,
} from "@std/assert";
import { concat } from "@std/bytes";
import { toText } from "@std/streams";
import { toBytes } from "@std/streams/unstable-to-bytes";
import {
  WsConnectionClosed,
  WsConnectionLost,
  type WsMessage,
  type WsMessageSource,
} from "../../mod.ts";
import { Opcode } from "../../framing/mod.ts";
import { bytesOf, randomBytes, seeded } from "../helpers/bytes.ts";
import { against, byHand, ends, hangUp, pattern, pause, ROLES } from "./helpers.ts";

const MiB = 1024 * 1024;
const CLEAN = { code: 1000, reason: "", wasClean: true };
const BINARY = { type: "binary" } as const;
const TEXT = { type: "text" } as const;

/** A source of these pieces that then throws. */
async function* failing(pieces: WsMessage[], error: Error): AsyncGenerator<WsMessage> {
  yield* pieces;
  throw error;
}

/** Gives 64 KiB that cannot be compressed, for ever, and tells how often it was asked for them, and whether it is over. */
async function* endless(asked: { count: number; over: boolean }): AsyncGenerator<Uint8Array> {
  const part = randomBytes(seeded(7), 64 * 1024);
  try {
    for (;; asked.count++) yield part;
  } finally {
    asked.over = true;
  }
}

const untyped = (source: unknown) => source as WsMessageSource;

for (const role of ROLES) {
  Deno.test(`${role}: each piece leaves as a fragment as soon as the source gives it (RFC 6455 §5.4)`, async () => {
    for (const compression of [false, true]) {
      const { peer, conn } = await against(role, { compression });
      const rsv1 = compression ? 0x40 : 0;
      const { source, give, controller } = byHand();
      const sending = conn.sendStream(source, TEXT);
      give("a");
      assertEquals((await peer.next())![0], 0x01 | rsv1);
      give(bytesOf("b"));
      const [second, payload] = (await peer.next())!;
      assertEquals(second, 0x00);
      if (!compression) assertEquals(payload, bytesOf("b"));
      give("c");
      assertEquals((await peer.next())![0], 0x00);
      controller.close();
      await sending;
      assertEquals((await peer.next())![0], 0x80);
      // without any pieces it is one frame
      await conn.sendStream(ReadableStream.from([]), BINARY);
      assertEquals((await peer.next())![0], 0x82 | rsv1);
      await conn.sendStream(ReadableStream.from([""]), TEXT);
      assertEquals((await peer.next())![0], 0x81 | rsv1);
      assertEquals(await hangUp(conn, peer), CLEAN);
    }
  });

  Deno.test(`${role}: a large piece leaves in fragments of 64 KiB at most; Pongs and Pings pass between`, async () => {
    const { peer, conn } = await against(role);
    const SIZE = 24 * MiB; // more than the socket's buffers hold
    const sending = conn.sendStream(ReadableStream.from([pattern(SIZE)]), BINARY);
    await pause();
    await peer.send(Opcode.Ping, "slow as I am");
    void conn.ping();
    await pause();
    const payloads: Uint8Array[] = [];
    const controls: [number, number][] = [];
    for (let first = 0; (first & 0x80) === 0 || first >= 0x88;) {
      const [byte, payload] = (await peer.next())!;
      first = byte;
      if (byte >= 0x88) controls.push([byte, payloads.length]);
      else {
        assertLessOrEqual(payload.length, 64 * 1024);
        assertEquals(byte & 0x0f, payloads.length === 0 ? Opcode.Binary : Opcode.Continuation);
        payloads.push(payload);
      }
    }
    assertEquals(controls.map(([first]) => first).sort(), [0x89, 0x8a]);
    for (const [, at] of controls) assertLess(at, SIZE / 65536, "before the message's end");
    const whole = concat(payloads);
    assert(pattern(SIZE).every((byte, at) => byte === whole[at])); // assertEquals would take long
    await sending;
    assertEquals(await hangUp(conn, peer), CLEAN);
  });

  Deno.test(`${role}: other sends wait their turn, and keep their order`, async () => {
    const [here, there] = await ends(role);
    const { source, give, controller } = byHand();
    let settled = "";
    const sends = [
      here.send("1"),
      here.sendStream(source, TEXT).then(() => settled += "2"),
      here.send("3").then(() => settled += "3"),
      here.sendStream(ReadableStream.from([bytesOf("4"), bytesOf("four")]), BINARY),
      here.send(bytesOf("5")),
    ];
    give("2");
    assertEquals(await there.recv(), "1");
    const second = (await there.recvStream())!;
    assertGreater(await here.ping(), 0);
    assertEquals(settled, "");
    assertGreater(here.bufferedAmount, 0, "what waits is counted");
    give("two");
    controller.close();
    assertEquals(await toText(second), "2two");
    assertEquals(await there.recv(), "3");
    assertEquals(settled, "23");
    assertEquals(await there.recv(), bytesOf("4four"));
    assertEquals(await there.recv(), bytesOf("5"));
    await Promise.all(sends);
    assertEquals(here.bufferedAmount, 0);
    await here.close();
    assertEquals(await there.finished, CLEAN);
  });

  Deno.test(`${role}: a source is asked for no more than the peer takes`, async () => {
    for (const compression of [false, true]) {
      const { peer, conn } = await against(role, { compression });
      const asked = { count: 0, over: false };
      const sending = conn.sendStream(endless(asked), BINARY);
      let before;
      do {
        before = asked.count;
        await pause(30);
      } while (asked.count > before || before === 0);
      assertLess(asked.count, 16 * MiB / (64 * 1024), "the socket's buffers are full");
      while (asked.count < before + 10) await peer.next(); // as it reads, more is asked for
      peer.conn.close();
      await assertRejects(() => sending, WsConnectionClosed);
      assertEquals((await conn.finished).code, 1006);
      assert(asked.over);
    }
  });

  Deno.test(`${role}: any source: pieces of every kind and length arrive as they were given`, async () => {
    const buffer = new Uint8Array(50_000);
    /** Gives the same bytes again and again, as one does who reads from a file. */
    async function* reusing() {
      for (let i = 0; i < 4; i++) yield buffer.fill(0x61 + i);
    }
    async function* two() {
      yield "a";
      yield "b";
    }
    const bytes = bytesOf("é😀");
    const cases: [string, () => WsMessageSource, "text" | "binary", string][] = [
      ["nothing", () => ReadableStream.from([]), "binary", ""],
      ["empty pieces", () => ReadableStream.from(["", new Uint8Array(), "x", ""]), "text", "x"],
      ["a Blob's bytes", () => new Blob(["a ", "blob"]).stream(), "binary", "a blob"],
      ["an async generator", () => two(), "text", "ab"],
      [
        "one buffer, reused",
        reusing,
        "binary",
        [..."abcd"].map((letter) => letter.repeat(buffer.length)).join(""),
      ],
      [
        "characters cut between bytes",
        () => ReadableStream.from([...bytes].map((b) => Uint8Array.of(b))),
        "text",
        "é😀",
      ],
      [
        "a pair cut between strings",
        () => ReadableStream.from(["a\ud83d", "", "\ude00b"]),
        "text",
        "a😀b",
      ],
      ["a lone high surrogate", () => ReadableStream.from(["a\ud83d", "b"]), "text", "a\ufffdb"],
      ["a lone low surrogate", () => ReadableStream.from(["a", "\ude00b"]), "text", "a\ufffdb"],
      [
        "one before bytes",
        () => ReadableStream.from(["a\ud83d", bytesOf("b"), "c"]),
        "text",
        "a\ufffdbc",
      ],
      ["one at the end", () => ReadableStream.from(["a\ud83d"]), "text", "a\ufffd"],
      [
        "two high surrogates",
        () => ReadableStream.from(["\ud83d", "\ud83d", "\ude00"]),
        "text",
        "\ufffd😀",
      ],
      [
        "large strings",
        () => ReadableStream.from(["é".repeat(MiB), "x".repeat(MiB)]),
        "text",
        "é".repeat(MiB) + "x".repeat(MiB),
      ],
    ];
    for (const compression of [false, true]) {
      const [here, there] = await ends(role, { compression });
      for (const [what, make, type, expected] of cases) {
        const sending = here.sendStream(make(), { type });
        const received = await there.recv();
        assertEquals(typeof received, type === "text" ? "string" : "object", what);
        const got = typeof received === "string" ? received : new TextDecoder().decode(received!);
        assert(got === expected, `${what}: ${got.slice(0, 50)}`);
        await sending;
      }
      await here.close();
      assertEquals(await there.finished, CLEAN);
    }
  });
}

// Sources that fail

const BROKEN = new Error("Broken source");
const FAILURES: [
  string,
  "text" | "binary",
  (before: WsMessage[]) => unknown,
  new (...args: never[]) => Error,
  string,
][] = [
  ["throws", "text", (before) => failing(before, BROKEN), Error, "Broken source"],
  [
    "is a stream that errors",
    "binary",
    (before) => ReadableStream.from(failing(before.map((piece) => bytesOf(`${piece}`)), BROKEN)),
    Error,
    "Broken source",
  ],
  [
    "gives a number",
    "text",
    (before) => ReadableStream.from<unknown>([...before, 42]),
    TypeError,
    "of type Number",
  ],
  [
    "gives a string of binary",
    "binary",
    (before) => ReadableStream.from([...before.map((piece) => bytesOf(`${piece}`)), "x"]),
    TypeError,
    "of type String",
  ],
  [
    "gives an ArrayBuffer",
    "text",
    (before) => ReadableStream.from<unknown>([...before, new ArrayBuffer(1)]),
    TypeError,
    "of type ArrayBuffer",
  ],
  [
    "gives a text that is not UTF-8",
    "text",
    (before) => ReadableStream.from([...before, Uint8Array.of(0xff)]),
    TypeError,
    "not valid UTF-8",
  ],
];

for (const role of ROLES) {
  for (const compression of [false, true]) {
    const how = compression ? ", compressed" : "";
    Deno.test(`${role}: a source that fails at once${how} harms nothing but its own call`, async () => {
      const [here, there] = await ends(role, { compression });
      for (const [what, type, make, error, text] of FAILURES) {
        const calls = [
          here.sendStream(untyped(make([])), { type }),
          here.sendStream(untyped(make([""])), { type }), // and so far nothing has been given
        ];
        const behind = here.send(what);
        for (const call of calls) await assertRejects(() => call, error as ErrorConstructor, text);
        await behind;
        assertEquals(await there.recv(), what);
      }
      await here.close();
      assertEquals(await there.finished, CLEAN);
    });

    Deno.test(`${role}: a source that fails later${how} ends the connection with 1011, on both sides`, async () => {
      for (const [what, type, make, error, text] of FAILURES) {
        const [here, there] = await ends(role, { compression });
        const sending = here.sendStream(untyped(make(["begun"])), { type });
        const behind = here.send("never sent");
        const [stream] = await Promise.all([
          there.recvStream(),
          assertRejects(() => sending, error as ErrorConstructor, text),
        ]);
        await assertRejects(() => behind, WsConnectionClosed);
        await assertRejects(() => toBytes(stream!), WsConnectionLost);
        assertEquals(await there.recv(), null, what);
        const info = { code: 1011, reason: "", wasClean: true };
        assertEquals([await here.finished, await there.finished], [info, info]);
        assertEquals(here.bufferedAmount, 0);
      }
    });
  }

  Deno.test(`${role}: a text that ends within a character is refused at its end`, async () => {
    const [here, there] = await ends(role);
    const source = ReadableStream.from([bytesOf("é").subarray(0, 1)]);
    await assertRejects(() => here.sendStream(source, TEXT), TypeError, "not valid UTF-8");
    assertEquals((await there.finished).code, 1011);
  });

  Deno.test(`${role}: what is no source, or is locked, is a TypeError and harms nothing`, async () => {
    const [here, there] = await ends(role);
    const locked = ReadableStream.from(["x"]);
    locked.getReader();
    for (const wrong of [locked, undefined, null, 42, {}]) {
      await assertRejects(() => here.sendStream(untyped(wrong), TEXT), TypeError);
    }
    const { source } = byHand();
    for (const type of ["blob", undefined, 1]) {
      const options = { type: type as "text" };
      await assertRejects(() => here.sendStream(source, options), TypeError, "it must be");
    }
    assertEquals(source.locked, false);
    await here.send("unharmed");
    assertEquals(await there.recv(), "unharmed");
    await here.close();
    assertEquals(await there.finished, CLEAN);
  });

  Deno.test(`${role}: while a pipe writes to writable, sendStream is a TypeError and its source cancelled`, async () => {
    const [here, there] = await ends(role);
    const piped = new TransformStream<WsMessage, WsMessage>();
    const piping = piped.readable.pipeTo(here.writable);
    const { source, cancelled } = byHand();
    await assertRejects(() => here.sendStream(source, TEXT), TypeError);
    assertInstanceOf(await cancelled, TypeError);
    const writer = piped.writable.getWriter();
    await writer.write("through the pipe");
    assertEquals(await there.recv(), "through the pipe");
    await writer.close();
    await piping;
    assertEquals(await there.finished, CLEAN);
  });
}
