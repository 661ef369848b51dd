import { assert, assertEquals, assertThrows } from "@std/assert";
import { concat } from "@std/bytes";
import {
  encodeClose,
  encodeFrame,
  type FrameOptions,
  Opcode,
  readFrameHeader,
  type Role,
  type WsMessage,
} from "../../framing/mod.ts";
import { applyMask } from "../../framing/mask.ts";
import { bytesOf, randomBytes, seeded, splits, unhex } from "../helpers/bytes.ts";
import { Side } from "../helpers/protocol.ts";

const ROLES: Role[] = ["server", "client"];

const keys = seeded(5);

/** A frame as the peer of `role` sends it, a client's with a key of its own. */
function fromPeer(
  role: Role,
  opcode: number,
  payload: Uint8Array | string,
  options: FrameOptions = {},
) {
  return encodeFrame(opcode, typeof payload === "string" ? bytesOf(payload) : payload, {
    ...options,
    maskKey: role === "server" ? keys(2 ** 32) : undefined,
  });
}

/** The frames that a side sent: first byte and payload. */
function framesOf(role: Role, bytes: Uint8Array): [number, Uint8Array][] {
  const frames: [number, Uint8Array][] = [];
  const header = { fin: false, rsv1: false, opcode: 0, length: 0, masked: false, maskKey: 0 };
  for (let at = 0; at < bytes.length;) {
    const size = readFrameHeader(bytes, at, bytes.length, header);
    assert(size > 0, "a whole header");
    assertEquals(header.masked, role === "client"); // §5.1
    const payload = bytes.slice(at + size, at + size + header.length);
    applyMask(payload, 0, payload.length, header.maskKey);
    frames.push([bytes[at]!, payload]);
    at += size + header.length;
  }
  return frames;
}

for (const role of ROLES) {
  const frame = (opcode: number, payload: Uint8Array | string, options?: FrameOptions) =>
    fromPeer(role, opcode, payload, options);

  Deno.test(`${role}: messages of every length arrive, in whatever pieces`, () => {
    const random = seeded(7);
    const lengths = [0, 1, 124, 125, 126, 127, 1009, 1024, 65534, 65535, 65536, 65537, 300_000];
    const sent: WsMessage[] = [];
    const wire: Uint8Array[] = [];
    for (const length of lengths) {
      const bytes = randomBytes(random, length);
      const text = "é".repeat(length >> 1) + "x".repeat(length & 1);
      sent.push(bytes, text, "a".repeat(length));
      wire.push(frame(Opcode.Binary, bytes), frame(Opcode.Text, text));
      wire.push(frame(Opcode.Text, "a".repeat(length)));
    }
    for (const pieces of splits(concat(wire), random)) {
      const side = Side.rfc6455(role);
      for (const piece of pieces) side.receive(piece);
      assertEquals(side.protocol.error, undefined);
      assertEquals(side.messages.length, sent.length);
      sent.forEach((message, index) => assertEquals(side.messages[index], message));
    }
  });

  Deno.test(`${role}: many small messages arrive, whatever stands between them`, () => {
    const random = seeded(15);
    const sent: WsMessage[] = [];
    const wire: Uint8Array[] = [];
    for (let i = 0; i < 500; i++) {
      const bytes = randomBytes(random, random(8) === 0 ? random(6000) : random(200));
      const text = bytes.toBase64();
      const cut = random(bytes.length);
      const kind = random(10);
      if (kind < 9) sent.push(kind === 8 ? text : bytes);
      if (kind < 7) wire.push(frame(Opcode.Binary, bytes));
      else if (kind === 7) {
        wire.push(frame(Opcode.Binary, bytes.subarray(0, cut), { fin: false }));
        wire.push(frame(Opcode.Continuation, bytes.subarray(cut)));
      } else if (kind === 8) wire.push(frame(Opcode.Text, text));
      else wire.push(frame(Opcode.Pong, bytes.subarray(0, 125)));
    }
    for (const pieces of splits(concat(wire), random)) {
      const side = Side.rfc6455(role);
      for (const piece of pieces) side.receive(piece);
      assertEquals(side.protocol.error, undefined);
      assertEquals(side.messages, sent);
    }
  });

  Deno.test(`${role}: what it sends, the other side receives`, () => {
    const random = seeded(8);
    const side = Side.rfc6455(role);
    const other = Side.rfc6455(role === "client" ? "server" : "client", {
      maxMessageSize: 1 << 24,
    });
    const lengths = [0, 1, 41, 42, 43, 62, 63, 125, 126, 21_000, 22_000, 65_535, 65_536, 200_000];
    for (const length of lengths) {
      const binary = randomBytes(random, length);
      const untouched = binary.slice();
      for (const message of [binary, "a".repeat(length), "é".repeat(length), "𝄞€".repeat(length)]) {
        side.protocol.send(message);
        other.receive(side.sent());
        assertEquals(other.messages.pop(), message);
      }
      assertEquals(binary, untouched);
    }
    side.protocol.send("lone \ud800 surrogate");
    other.receive(side.sent());
    assertEquals(other.messages.pop(), "lone \ufffd surrogate"); // §5.6: text is UTF-8
  });

  Deno.test(`${role} §5.4: fragments make one message, control frames may come between`, () => {
    const random = seeded(9);
    const wire = concat([
      frame(Opcode.Text, "Ä", { fin: false }),
      frame(Opcode.Ping, "one"),
      frame(Opcode.Continuation, "", { fin: false }),
      frame(Opcode.Continuation, unhex("e282"), { fin: false }), // half a character
      frame(Opcode.Pong, "unasked"),
      frame(Opcode.Continuation, unhex("ac")),
      frame(Opcode.Binary, Uint8Array.of(1, 2), { fin: false }),
      frame(Opcode.Continuation, Uint8Array.of(3)),
    ]);
    for (const pieces of splits(wire, random)) {
      const side = Side.rfc6455(role);
      for (const piece of pieces) side.receive(piece);
      assertEquals(side.messages, ["Ä€", Uint8Array.of(1, 2, 3)]);
      assertEquals(side.pongs, [bytesOf("unasked")]);
      assertEquals(framesOf(role, side.sent()), [[0x8a, bytesOf("one")]]);
    }
  });

  Deno.test(`${role} §5.5.2, §5.5.3: each Ping is answered by a Pong with its payload`, () => {
    const side = Side.rfc6455(role);
    side.receive(concat([frame(Opcode.Ping, ""), frame(Opcode.Ping, "x".repeat(125))]));
    assertEquals(framesOf(role, side.sent()), [[0x8a, bytesOf("")], [
      0x8a,
      bytesOf("x".repeat(125)),
    ]]);
  });

  Deno.test(`${role} §5.5.3: Pongs to a peer that does not read coalesce into the latest`, () => {
    const side = Side.rfc6455(role);
    for (let i = 0; i < 20_000; i++) side.receive(frame(Opcode.Ping, `${i}`));
    assert(side.protocol.output.size < 70_000, `${side.protocol.output.size} bytes wait`);
    side.sent();
    side.protocol.drained();
    assertEquals(framesOf(role, side.sent()), [[0x8a, bytesOf("19999")]]);
    side.protocol.drained();
    assertEquals(side.sent().length, 0);

    // an older Pong never follows a newer one
    while (side.protocol.output.size < 65_536) side.protocol.send("x".repeat(20_000));
    side.receive(frame(Opcode.Ping, "older"));
    side.sent();
    side.receive(frame(Opcode.Ping, "newer"));
    side.protocol.drained();
    assertEquals(framesOf(role, side.sent()), [[0x8a, bytesOf("newer")]]);
  });

  Deno.test(`${role} §5.5.1: a Close is answered with the same code and reason, and ends the protocol`, () => {
    const side = Side.rfc6455(role);
    side.receive(concat([
      frame(Opcode.Text, "before"),
      frame(Opcode.Close, encodeClose(4001, "bye")),
      frame(Opcode.Text, "after"),
      unhex("ffffffffff"),
    ]));
    assertEquals(side.messages, ["before"]);
    assertEquals(side.protocol.received, { code: 4001, reason: "bye" });
    assertEquals(side.protocol.state, "closed");
    assertEquals(side.protocol.error, undefined);
    assertEquals(framesOf(role, side.sent()), [[0x88, encodeClose(4001, "bye")]]);
    assertThrows(() => side.protocol.send("late"), TypeError, 'state is "closed"');
    side.protocol.close(1000, "");
    assertEquals(side.sent().length, 0); // §5.5.1: nothing follows a Close
  });

  Deno.test(`${role} §7.1.5: a Close without a code is 1005, and answered without one`, () => {
    const side = Side.rfc6455(role);
    side.receive(frame(Opcode.Close, ""));
    assertEquals(side.protocol.received, { code: 1005, reason: "" });
    assertEquals(framesOf(role, side.sent()), [[0x88, bytesOf("")]]);
  });

  Deno.test(`${role} §7.1.2: after its own Close it discards messages until the peer's`, () => {
    const random = seeded(10);
    const wire = concat([
      frame(Opcode.Text, "discarded"),
      frame(Opcode.Binary, randomBytes(random, 100_000)),
      frame(Opcode.Text, unhex("ff")),
      frame(Opcode.Text, "part", { fin: false }),
      frame(Opcode.Ping, "unanswered"),
      frame(Opcode.Continuation, "part"),
      frame(Opcode.Close, encodeClose(1000)),
    ]);
    for (const pieces of splits(wire, random)) {
      const side = Side.rfc6455(role);
      side.protocol.close(1001, "gone");
      assertEquals(side.protocol.state, "closing");
      assertEquals(framesOf(role, side.sent()), [[0x88, encodeClose(1001, "gone")]]);
      for (const piece of pieces) side.receive(piece);
      assertEquals(side.messages, []);
      assertEquals(side.protocol.state, "closed");
      assertEquals(side.protocol.received, { code: 1000, reason: "" });
      assertEquals(side.sent().length, 0);
    }
  });

  Deno.test(`${role}: closing within a message that is arriving discards the rest of it`, () => {
    const side = Side.rfc6455(role);
    const wire = frame(Opcode.Binary, new Uint8Array(200_000));
    side.receive(wire.subarray(0, 100_000));
    const space = side.protocol.space(); // a read is under way
    side.protocol.close(1000, "");
    space.set(wire.subarray(100_000, 150_000));
    side.protocol.receive(50_000);
    side.receive(wire.subarray(150_000));
    side.receive(frame(Opcode.Close, encodeClose(1000)));
    assertEquals(side.protocol.state, "closed");
    assertEquals(side.messages, []);
  });

  Deno.test(`${role}: limits hold before memory is taken, and over all fragments`, () => {
    const limits = { maxMessageSize: 1000 };
    const ok = Side.rfc6455(role, limits);
    ok.receive(frame(Opcode.Binary, new Uint8Array(1000)));
    ok.receive(frame(Opcode.Binary, new Uint8Array(600), { fin: false }));
    ok.receive(frame(Opcode.Continuation, new Uint8Array(400)));
    assertEquals(ok.messages.map((message) => message.length), [1000, 1000]);

    const declared = Side.rfc6455(role, limits);
    declared.receive(frame(Opcode.Binary, new Uint8Array(1001)).subarray(0, 14));
    assertEquals(declared.protocol.error?.closeCode, 1009);

    const gathered = Side.rfc6455(role, limits);
    gathered.receive(frame(Opcode.Binary, new Uint8Array(600), { fin: false }));
    gathered.receive(frame(Opcode.Continuation, new Uint8Array(401), { fin: false }));
    assertEquals(gathered.protocol.error?.closeCode, 1009);
    assertEquals(gathered.messages, []);
  });

  Deno.test(`${role}: a ping of more than 125 bytes is a RangeError`, () => {
    assertThrows(() => Side.rfc6455(role).protocol.ping(new Uint8Array(126)), RangeError, "125");
  });

  const violations: [string, number, Uint8Array][] = [
    ["§5.1 wrong masking", 1002, fromPeer(role === "server" ? "client" : "server", 1, "x")],
    ["§5.2 RSV1 without an extension", 1002, frame(Opcode.Text, "x", { rsv1: true })],
    ["§5.2 RSV1 on a control frame", 1002, frame(Opcode.Ping, "x", { rsv1: true })],
    ["§5.2 a reserved opcode", 1002, frame(3, "x")],
    ["§5.4 a continuation of nothing", 1002, frame(Opcode.Continuation, "x")],
    [
      "§5.4 a message within a message",
      1002,
      concat([
        frame(Opcode.Text, "x", { fin: false }),
        frame(Opcode.Text, "x"),
      ]),
    ],
    ["§5.5 a fragmented control frame", 1002, frame(Opcode.Ping, "x", { fin: false })],
    ["§5.5 a long control frame", 1002, frame(Opcode.Ping, "x".repeat(126))],
    ["§5.5.1 a Close of one byte", 1002, frame(Opcode.Close, "x")],
    ["§7.4.1 a Close with 1006", 1002, frame(Opcode.Close, unhex("03ee"))],
    ["§8.1 a Close reason that is not UTF-8", 1007, frame(Opcode.Close, unhex("03e8ff"))],
    ["§8.1 a text that is not UTF-8", 1007, frame(Opcode.Text, unhex("48ff"))],
    ["§8.1 a text that ends within a character", 1007, frame(Opcode.Text, unhex("e282"))],
    [
      "§8.1 fragments that are not UTF-8",
      1007,
      concat([
        frame(Opcode.Text, unhex("e2"), { fin: false }),
        frame(Opcode.Continuation, unhex("41"), { fin: false }),
      ]),
    ],
  ];
  for (const [what, code, wire] of violations) {
    Deno.test(`${role} §7.1.7: fails the connection with ${code}: ${what}`, () => {
      for (const pieces of splits(wire, seeded(11))) {
        const side = Side.rfc6455(role);
        side.receive(frame(Opcode.Text, "before"));
        for (const piece of pieces) side.receive(piece);
        side.receive(frame(Opcode.Text, "after"));
        assertEquals(side.messages, ["before"]);
        assertEquals(side.protocol.error?.closeCode, code);
        assertEquals(side.protocol.state, "closed");
        const frames = framesOf(role, side.sent());
        const reason = side.protocol.error!.message;
        assertEquals(frames, [[0x88, encodeClose(code, reason)]]);
      }
    });
  }

  Deno.test(`${role} §8.1: a text error is noticed in the middle of a frame`, () => {
    const side = Side.rfc6455(role);
    const wire = frame(
      Opcode.Text,
      concat([bytesOf("x".repeat(300)), unhex("ff"), new Uint8Array(300)]),
    );
    const offset = wire.length - 601;
    for (let at = 0; at < offset + 300; at++) side.receive(wire.subarray(at, at + 1));
    assertEquals(side.protocol.error, undefined);
    side.receive(wire.subarray(offset + 300, offset + 301));
    assertEquals(side.protocol.error?.closeCode, 1007);
  });
}

Deno.test("memory follows what has arrived, not what is announced", () => {
  const side = Side.rfc6455("server", { maxMessageSize: 2 ** 40 });
  side.receive(unhex("82ff 0000 0010 0000 0000 00000000 01 02 03")); // announces 64 GiB
  assertEquals(side.protocol.state, "open");
  assert(side.protocol.space().length <= 1 << 20);
});
