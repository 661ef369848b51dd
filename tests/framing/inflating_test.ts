/** What a peer may do wrong in compressed messages, and what happens when the end comes in the middle of them. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { concat } from "@std/bytes";
import { setImmediate } from "node:timers/promises";
import { encodeClose, type MessageSink, type Role } from "../../framing/mod.ts";
import { randomBytes, seeded, splits, unhex } from "../helpers/bytes.ts";
import { compressed, DeflateSide, framesOf, fromPeer, openHandles } from "../helpers/deflate.ts";
import { Side } from "../helpers/protocol.ts";

const ROLES: Role[] = ["server", "client"];
const KiB = 1024, MiB = 1024 * 1024;
const HELLO = "f248cdc9c90700";

/** What zlib gives at once. */
const PIECE = 16 * KiB;

/** That all a side has sent is a Close with this code. */
function assertClosedWith(role: Role, side: Side, code: number): void {
  const { protocol } = side;
  assertEquals([protocol.state, protocol.error?.closeCode], ["closed", code]);
  const [[first, payload], ...more] = framesOf(role, side.sent()) as [[number, Uint8Array]];
  assertEquals([first, payload[0]! << 8 | payload[1]!, more], [0x88, code, []]);
}

/** Frames, as first byte and payload in hex, and what the error says of the last of them. */
type Wrong = [name: string, frames: [number, string][], message: string];

const RSV1_WRONG: Wrong[] = [
  ["a continuation", [[0x41, "f248cd"], [0xc0, "c9c90700"]], "begins no message"],
  ["a continuation that is not the last", [[0x41, "f248cd"], [0x40, "c9c9"]], "begins no message"],
  ["a continuation of an uncompressed message", [[0x01, "48"], [0xc0, HELLO]], "begins no message"],
  ["a Ping", [[0xc9, ""]], "begins no message"],
  ["a Pong", [[0xca, ""]], "begins no message"],
  ["a Close", [[0xc8, "03e8"]], "begins no message"],
  ["a message within another", [[0x41, "f248cd"], [0xc1, HELLO]], "within a fragmented one"],
  ["RSV2 too", [[0xe1, HELLO]], "RSV2 or RSV3"],
  ["RSV3 too", [[0xd1, HELLO]], "RSV2 or RSV3"],
];

/** 32 KiB of zeros, more than zlib gives at once, and the end of their block. */
const LONG = compressed(new Uint8Array(32768)).toHex() + "0000ffff";

const CORRUPT: Wrong[] = [
  ["a type of block that there is not", [[0xc1, "06"]], "invalid block type"],
  ["the same, last of all", [[0xc1, "07"]], "invalid block type"],
  ["a wrong length", [[0xc1, "000500000048656c6c6f00"]], "invalid stored block lengths"],
  ["what refers to nothing", [[0xc1, "f200110000"]], "invalid distance too far back"],
  ["too many codes", [[0xc1, "fc0000"]], "too many length or distance symbols"],
  ["codes that make no sense", [[0xc2, "ed"]], "invalid code lengths set"],
  ["a block that ends within the tail", [[0xc1, "000500faff4865"]], "invalid block type"],
  ["what is wrong in the second message", [[0xc1, HELLO], [0xc1, "06"]], "invalid block type"],
  [
    "what is wrong in the second fragment",
    [[0x41, "f248cd"], [0x00, "c9c907"], [0x80, "000000ffff06"]],
    "invalid block type",
  ],
  ["what is wrong at the end of a long message", [[0xc1, LONG + "06"]], "invalid block type"],
  ["what is wrong within a long message", [[0xc1, LONG + "06" + HELLO]], "invalid block type"],
  ["what is wrong behind BFINAL", [[0xc1, "f348cdc9c90700" + "06"]], "invalid block type"],
  [
    "what refers to before BFINAL",
    [[0xc1, "f348cdc9c90700"], [0xc1, "f200110000"]],
    "invalid distance too far back",
  ],
];

const NOT_UTF8: Wrong[] = [
  ["a byte that never stands in UTF-8", [[0xc1, "000100feffff00"]], "not valid UTF-8"],
  ["the same in a fragment that is not the last", [[0x41, "000100feffff00"]], "not valid UTF-8"],
  ["half a character at the end", [[0xc1, "000100feffc300"]], "ends within a UTF-8 character"],
  ["a character broken off by the next fragment", [[0x41, "000100feffc3"], [
    0x80,
    "000100feff4100",
  ]], "not valid UTF-8"],
];

for (const role of ROLES) {
  for (
    const [code, what, rows] of [
      [1002, "RSV1 on", RSV1_WRONG],
      [1007, "deflated data with", CORRUPT],
      [1007, "inflated text with", NOT_UTF8],
    ] as const
  ) {
    for (const [name, frames, message] of rows) {
      Deno.test(`${role}: ${what} ${name} fails the connection with ${code}`, async () => {
        const wire = frames.map(([first, payload]) => fromPeer(role, first, payload));
        // all before the last frame is in order
        using before = new DeflateSide(role);
        await before.receive(concat(wire.slice(0, -1)));
        assertEquals(before.side.protocol.error, undefined);
        for (const pieces of splits(concat(wire), seeded(1))) {
          using side = new DeflateSide(role);
          for (const piece of pieces) await side.receive(piece);
          assertClosedWith(role, side.side, code);
          assertStringIncludes(side.side.protocol.error!.message, message);
          await side.receive(fromPeer(role, 0xc1, HELLO)); // whatever follows is ignored
          assertEquals(side.side.messages, before.side.messages);
        }
      });
    }
  }

  Deno.test(`${role}: RSV1 without compression agreed on fails the connection with 1002`, () => {
    for (const first of [0xc1, 0xc2, 0x41, 0xc9, 0xc8]) {
      const side = Side.rfc6455(role);
      side.receive(fromPeer(role, first, first === 0xc8 ? "03e8" : HELLO));
      assertClosedWith(role, side, 1002);
    }
  });

  Deno.test(`${role}: text that is not UTF-8 is noticed before the rest of it is inflated`, async () => {
    using side = new DeflateSide(role, {}, { maxMessageSize: 64 * MiB });
    const bomb = new Uint8Array(32 * MiB);
    bomb[10] = 0xff;
    await side.receive(fromPeer(role, 0xc1, compressed(bomb)));
    assertClosedWith(role, side.side, 1007);
    assertEquals(side.inflated, PIECE);
  });

  for (const [first, text] of [[0xc1, "text"], [0xc2, "binary"]] as const) {
    Deno.test(`${role}: maxMessageSize holds for what ${text} inflates to, to the byte`, async () => {
      for (const limit of [0, 1, 1000, PIECE, PIECE + 1, 100_000]) {
        for (const length of [limit - 1, limit, limit + 1, 2 * limit + 1]) {
          if (length < 0) continue;
          const payload = compressed(new Uint8Array(length));
          const frames = [[fromPeer(role, first, payload)], [
            fromPeer(role, first & 0x7f, payload.subarray(0, payload.length >> 1)),
            fromPeer(role, 0x80, payload.subarray(payload.length >> 1)),
          ]];
          for (const wire of frames) {
            using side = new DeflateSide(role, {}, { maxMessageSize: limit });
            await side.receive(concat(wire));
            if (length <= limit) {
              assertEquals(side.side.messages.length, 1);
              assertEquals(side.side.messages[0]!.length, length);
            } else {
              assertEquals(side.side.messages, []);
              assertClosedWith(role, side.side, 1009);
              assert(side.inflated <= limit + PIECE, `${side.inflated} bytes for ${limit}`);
            }
          }
        }
      }
    });
  }

  Deno.test(`${role}: a compressed message may be longer than what it inflates to`, async () => {
    const nothing = unhex("000000ffff".repeat(1000)); // blocks of no bytes
    using side = new DeflateSide(role, {}, { maxMessageSize: 5 });
    await side.receive(fromPeer(role, 0xc1, concat([nothing, unhex(HELLO)])));
    assertEquals(side.side.messages, ["Hello"]);
  });

  Deno.test(`${role}: control frames between compressed fragments are answered in their place`, async () => {
    const message = randomBytes(seeded(2), 50_000);
    const payload = compressed(message);
    const wire = [fromPeer(role, 0x42, payload.subarray(0, 1))];
    for (let at = 1; at < payload.length; at += 5000) {
      const part = payload.subarray(at, at + 5000);
      wire.push(fromPeer(role, 0x89, unhex("61")), fromPeer(role, 0x8a, unhex("62")));
      wire.push(fromPeer(role, at + 5000 < payload.length ? 0x00 : 0x80, part));
    }
    const pings = (wire.length - 1) / 3;
    for (const pieces of [[concat(wire)], splits(concat(wire), seeded(3))[2]!]) {
      using side = new DeflateSide(role);
      for (const piece of pieces) await side.receive(piece);
      assertEquals(side.side.messages, [message]);
      assertEquals(side.side.pongs.length, pings);
      assertEquals(side.side.sent().length, pings * (role === "client" ? 7 : 3));
    }
  });

  Deno.test(`${role}: a Close between compressed fragments ends the connection, without the message`, async () => {
    using side = new DeflateSide(role);
    const close = fromPeer(role, 0x88, encodeClose(1001, "away"));
    await side.receive(concat([fromPeer(role, 0x41, HELLO), close, fromPeer(role, 0x80, "00")]));
    assertEquals(side.side.messages, []);
    const { protocol } = side.side;
    assertEquals([protocol.state, protocol.error], ["closed", undefined]);
    assertEquals(protocol.received, { code: 1001, reason: "away" });
  });

  Deno.test(`${role}: after a Close of its own it inflates nothing more, and waits for the peer's`, async () => {
    for (const early of [true, false]) {
      using side = new DeflateSide(role, {}, { maxMessageSize: Infinity });
      const { protocol } = side.side;
      const bomb = fromPeer(role, 0xc2, compressed(new Uint8Array(32 * MiB)));
      const receiving = side.receive(bomb);
      if (!early) { while (side.inflated === 0) await setImmediate(); }
      assert(protocol.stalled);
      const before = side.inflated;
      protocol.close(1000, "");
      assertEquals(openHandles(), 0);
      protocol.receive(0); // as a connection does, to read on
      assertEquals(protocol.stalled, false);
      side.resume();
      await receiving;
      await side.receive(concat([bomb, fromPeer(role, 0xc1, HELLO)]));
      await setImmediate();
      assertEquals([side.inflated, protocol.state], [before, "closing"]);
      await side.receive(fromPeer(role, 0x88, "03e8"));
      assertEquals([side.side.messages, protocol.state, protocol.error], [[], "closed", undefined]);
    }
  });

  Deno.test(`${role}: the end of the connection makes zlib forget what it inflates`, async () => {
    for (const early of [true, false]) {
      const side = new DeflateSide(role, {}, { maxMessageSize: Infinity });
      void side.receive(fromPeer(role, 0xc2, compressed(new Uint8Array(32 * MiB))));
      if (!early) { while (side.inflated === 0) await setImmediate(); }
      const before = side.inflated;
      side[Symbol.dispose]();
      assertEquals(openHandles(), 0);
      for (let turn = 0; turn < 5; turn++) await setImmediate();
      assertEquals([side.inflated, side.side.messages], [before, []]);
    }
  });

  Deno.test(`${role}: the end of the connection rejects what is being sent compressed, and frees zlib`, async () => {
    let cut = 0;
    for (let turns = 0; turns < 20; turns++) {
      const side = new DeflateSide(role);
      const sending = side.side.protocol.send(randomBytes(seeded(4), 500_000))!;
      let settled = false;
      const noted = sending.then(() => settled = true, () => settled = true);
      for (let i = 0; i < turns; i++) await setImmediate();
      assertEquals(openHandles(), 1);
      if (!settled) cut++;
      const before = settled;
      side[Symbol.dispose]();
      assertEquals(openHandles(), 0);
      if (!before) await assertRejects(() => sending, Error, "The deflater was destroyed");
      await noted;
    }
    assert(cut > 3, `${cut} of 20 messages were cut off`);
  });

  Deno.test(`${role}: what was being compressed when it closed is not sent behind the Close`, async () => {
    using side = new DeflateSide(role);
    const { protocol } = side.side;
    const sending = protocol.send(new Uint8Array(200_000))!;
    protocol.close(1000, "");
    await assertRejects(() => sending, TypeError, 'state is "closing"');
    assertEquals(side.side.sent().length, role === "client" ? 8 : 4);
  });
}

/** Uncompressed blocks of 1,200 zeros, each of them final (RFC 1951 §3.2.4). */
function finalBlocks(count: number): Uint8Array {
  const block = new Uint8Array(5 + 1200);
  block.set([0x01, 1200 & 0xff, 1200 >> 8, ~1200 & 0xff, ~1200 >> 8 & 0xff]);
  return concat(new Array(count).fill(block));
}

Deno.test("a message of nothing but final blocks is inflated, and others have their turn meanwhile", async () => {
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 0);
  using side = new DeflateSide("server");
  await side.receive(fromPeer("server", 0xc2, finalBlocks(200)));
  clearInterval(ticking);
  assertEquals(side.side.messages, [new Uint8Array(200 * 1200)]);
  assert(ticks >= 10, `${ticks} turns`);
});

Deno.test("the end of the connection between two final blocks opens no further zlib stream", async () => {
  for (let blocks = 1; blocks < 40; blocks++) {
    const side = new DeflateSide("server");
    void side.receive(fromPeer("server", 0xc2, finalBlocks(100)));
    while (side.inflated < blocks * 1200) await setImmediate();
    side[Symbol.dispose]();
    assertEquals(openHandles(), 0);
  }
  // longer than any rest that zlib gives the others
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(openHandles(), 0);
});

/** Takes a message piece by piece, as much of it as it is told to. */
class Sink implements MessageSink {
  maxMessageSize = Infinity;
  wants = true;
  length = 0;
  ended = false;
  begin(): void {}
  push(bytes: Uint8Array): boolean {
    this.length += bytes.length;
    return this.wants;
  }
  end(): void {
    this.ended = true;
  }
}

Deno.test("a sink that wants no more holds zlib up, to the end of the message", async () => {
  for (const length of [1, PIECE, PIECE + 1, 40 * PIECE]) {
    using side = new DeflateSide("server");
    const { protocol } = side.side;
    const sink = new Sink();
    sink.wants = false;
    protocol.receiveInto(sink);
    const receiving = side.receive(
      concat([
        fromPeer("server", 0xc2, compressed(new Uint8Array(length))),
        fromPeer("server", 0xc1, HELLO),
      ]),
    );
    const taken = [];
    for (let turn = 0; turn < 5; turn++) await setImmediate();
    while (!sink.ended) {
      assert(protocol.stalled);
      taken.push(sink.length);
      protocol.receive(0); // as a connection does when its reader wants more
      for (let turn = 0; turn < 5; turn++) await setImmediate();
    }
    await receiving;
    assertEquals(taken.length, Math.ceil(length / PIECE));
    assertEquals(taken, taken.map((_, at) => Math.min(length, (at + 1) * PIECE)));
    assertEquals(side.side.messages, ["Hello"]);
  }
});
