import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { concat } from "@std/bytes";
import { Opcode, type Role, type WsMessage } from "../../framing/mod.ts";
import { bytesOf, type Random, randomBytes, seeded, splits, unhex } from "../helpers/bytes.ts";
import { DeflateSide, framesOf, fromPeer, openHandles } from "../helpers/deflate.ts";
import { inflate } from "../helpers/inflate.ts";

const ROLES: Role[] = ["server", "client"];
const FIN = 0x80, RSV1 = 0x40;
const TAIL = unhex("0000ffff");

/** Frames, as first byte and payload in hex, and the messages that they are. */
type Row = [name: string, frames: [number, string][], messages: WsMessage[]];

const HELLO = "f248cdc9c90700";
const GOLDEN: Row[] = [
  ["§7.2.3.1 one block", [[0xc1, HELLO]], ["Hello"]],
  ["§7.2.3.1 in two frames", [[0x41, "f248cd"], [0x80, "c9c90700"]], ["Hello"]],
  ["§7.2.3.2 sharing the window", [[0xc1, HELLO], [0xc1, "f200110000"]], ["Hello", "Hello"]],
  ["§7.2.3.3 a block without compression", [[0xc1, "000500faff48656c6c6f00"]], ["Hello"]],
  ["§7.2.3.4 BFINAL", [[0xc1, "f348cdc9c9070000"]], ["Hello"]],
  ["§7.2.3.5 two blocks", [[0xc1, "f248050000 00ffffcac9c90700"]], ["Hello"]],
  ["§7.2.3.6 an empty message", [[0xc1, "00"]], [""]],
  ["§7.2.3.6 an empty last fragment", [[0x41, HELLO + "0000ffff"], [0x80, "00"]], ["Hello"]],
  // beyond the RFC's own
  ["a frame for each byte", [
    [0x41, "f2"],
    [0x00, "48"],
    [0x00, "cd"],
    [0x00, "c9"],
    [0x00, "c9"],
    [0x00, "07"],
    [0x80, "00"],
  ], ["Hello"]],
  ["no bytes at all", [[0xc1, ""], [0xc2, ""], [0xc1, HELLO]], ["", unhex(""), "Hello"]],
  ["no bytes in three frames", [[0x42, ""], [0x00, ""], [0x80, ""], [0xc1, HELLO]], [
    unhex(""),
    "Hello",
  ]],
  ["an empty first and last frame", [[0x41, ""], [0x00, HELLO], [0x80, ""]], ["Hello"]],
  ["uncompressed ones between", [
    [0xc1, HELLO],
    [0x81, "48656c6c6f"],
    [0x01, "4865"],
    [0x80, "6c6c6f"],
    [0x82, ""],
    [0xc2, "f200110000"],
  ], ["Hello", "Hello", "Hello", unhex(""), bytesOf("Hello")]],
  ["BFINAL without an empty block behind it", [[0xc1, "f348cdc9c90700"]], ["Hello"]],
  ["two blocks with BFINAL, and one without", [
    [0xc1, "f348cdc9c90700" + "f348cdc9c90700" + HELLO],
  ], ["HelloHelloHello"]],
  ["BFINAL at the end of a fragment", [[0x41, "f348cdc9c90700"], [0x80, HELLO]], ["HelloHello"]],
  ["BFINAL in the middle of a fragment", [[0x41, "f348cdc9c90700f248"], [0x80, "cdc9c90700"]], [
    "HelloHello",
  ]],
  ["BFINAL in a block that the tail completes", [[0xc1, HELLO + "0000ffff01"], [0xc1, HELLO]], [
    "Hello",
    "Hello",
  ]],
  ["messages after one with BFINAL", [
    [0xc1, "f348cdc9c90700"],
    [0xc1, ""],
    [0xc1, HELLO],
    [0xc1, "f200110000"],
  ], ["Hello", "", "Hello", "Hello"]],
];

for (const role of ROLES) {
  for (const [name, frames, messages] of GOLDEN) {
    Deno.test(`${role} RFC 7692, ${name}: received in whatever pieces`, async () => {
      const wire = concat(frames.map(([first, payload]) => fromPeer(role, first, payload)));
      for (const pieces of splits(wire, seeded(1))) {
        using side = new DeflateSide(role);
        for (const piece of pieces) await side.receive(piece);
        assertEquals(side.side.protocol.error, undefined);
        assertEquals(side.side.messages, messages);
      }
      assertEquals(openHandles(), 0);
    });
  }

  Deno.test(`${role}: all that the RFC shows, one after the other on one connection`, async () => {
    const wire = concat(
      GOLDEN.flatMap(([, frames]) => frames)
        .map(([first, payload]) => fromPeer(role, first, payload)),
    );
    for (const pieces of splits(wire, seeded(2))) {
      using side = new DeflateSide(role);
      for (const piece of pieces) await side.receive(piece);
      assertEquals(side.side.messages, GOLDEN.flatMap(([, , messages]) => messages));
    }
  });

  Deno.test(`${role} §6.2: RSV1 stands on the first frame of a compressed message, and nowhere else`, async () => {
    using side = new DeflateSide(role, { threshold: 10 });
    const { protocol } = side.side;
    const text = "a text ".repeat(10);
    await protocol.send(text);
    await protocol.send(bytesOf(text));
    await protocol.send("short");
    await protocol.send("é".repeat(5));
    await protocol.send(bytesOf("é".repeat(4)));
    for (const [at, part] of ["one", "", text, ""].entries()) {
      await protocol.sendPart!("text", bytesOf(part), { first: at === 0, last: at === 3 });
    }
    protocol.ping(bytesOf("ping"));
    protocol.close(1000, "");
    const frames = framesOf(role, side.side.sent());
    assertEquals(frames.map(([first]) => first), [
      FIN | RSV1 | Opcode.Text,
      FIN | RSV1 | Opcode.Binary,
      FIN | Opcode.Text,
      FIN | RSV1 | Opcode.Text, // 10 bytes, though 5 characters
      FIN | Opcode.Binary,
      RSV1 | Opcode.Text,
      Opcode.Continuation,
      Opcode.Continuation,
      FIN | Opcode.Continuation,
      FIN | Opcode.Ping,
      FIN | Opcode.Close,
    ]);
    const deflated = frames.filter(([first]) => (first & RSV1) !== 0 || (first & 0xf) === 0);
    const stream = deflated.flatMap(([first, bytes]) => first >= FIN ? [bytes, TAIL] : [bytes]);
    const { output } = inflate(concat(stream));
    assertEquals(new TextDecoder().decode(output), text + text + "é".repeat(5) + "one" + text);
  });

  Deno.test(`${role} §7.2.3.6: an empty message is one byte, 0x00, or goes uncompressed`, async () => {
    using side = new DeflateSide(role, { threshold: 0 });
    for (const before of ["", "x", ""]) await side.side.protocol.send(before);
    const frames = framesOf(role, side.side.sent());
    assertEquals([frames[0], frames[2]], [[0xc1, unhex("00")], [0xc1, unhex("00")]]);
    using other = new DeflateSide(role);
    void other.side.protocol.send("");
    assertEquals(framesOf(role, other.side.sent()), [[0x81, unhex("")]]);
  });
}

/** Messages that repeat what was sent before, at many distances. */
function repetitive(random: Random): Uint8Array[] {
  const bytes = randomBytes(random, 100_000);
  const messages = [bytes.slice(0, 2000)];
  for (const back of [100, 240, 258, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 40_000]) {
    bytes.copyWithin(50_000, 50_000 - back, 50_000 - back + 300);
    messages.push(bytes.slice(50_000 - back, 51_000), bytes.slice(49_900, 50_400));
  }
  return messages;
}

for (const windowBits of [8, 9, 10, 11, 12, 13, 14, 15]) {
  Deno.test(`nothing sent refers back further than ${2 ** windowBits} bytes, at any level`, async () => {
    const messages = repetitive(seeded(windowBits));
    for (const level of [0, 1, 3, 6, 9]) {
      using side = new DeflateSide("server", { outgoing: { windowBits }, level, threshold: 0 });
      for (const message of messages) await side.side.protocol.send(message);
      const payloads = framesOf("server", side.side.sent()).map(([, payload]) => payload);
      const { output, farthest } = inflate(concat(payloads.flatMap((payload) => [payload, TAIL])));
      assertEquals(output, concat(messages));
      const size = 2 ** windowBits;
      assert(farthest <= size, `level ${level} refers back ${farthest} bytes`);
      // what is agreed on is also used
      if (level > 0 && windowBits > 9) assertGreater(farthest, size / 2, `level ${level}`);
    }
  });

  Deno.test(`what refers back further than the ${2 ** windowBits} bytes agreed on fails with 1007`, async () => {
    const before = randomBytes(seeded(3), Math.min(2 ** (windowBits + 1), 32_000));
    const again = before.slice(0, 200);
    using peer = new DeflateSide("server");
    const { deflater } = peer.deflate;
    const [first, second] = [await deflater.push(before, true), await deflater.push(again, true)];
    assertEquals(inflate(concat([first, TAIL, second, TAIL])).farthest, before.length);
    using side = new DeflateSide("client", { incoming: { windowBits } });
    await side.receive(fromPeer("client", 0xc2, first));
    await side.receive(fromPeer("client", 0xc2, second));
    const { messages, protocol } = side.side;
    if (windowBits === 15) assertEquals(messages, [before, again]); // there is no larger one
    else {
      assertEquals(messages, [before]);
      assertEquals(protocol.error?.closeCode, 1007);
    }
  });
}

const DIRECTIONS = [{}, { noContextTakeover: true }, { windowBits: 8 }, {
  windowBits: 9,
  noContextTakeover: true,
}];

for (const role of ROLES) {
  const other = role === "client" ? "server" : "client";
  for (const direction of DIRECTIONS) {
    const title = `${role} with ${JSON.stringify(direction)}`;

    Deno.test(`${title}: what it sends, the other side receives in whatever pieces`, async () => {
      const random = seeded(4);
      using side = new DeflateSide(role, { outgoing: direction, threshold: 100 });
      using receiver = new DeflateSide(other, { incoming: direction });
      const sent: WsMessage[] = [];
      const source = concat([randomBytes(random, 200_000), new Uint8Array(200_000)]);
      for (let i = 0; i < 60; i++) {
        const length = random(2 ** random(19));
        const bytes = source.slice(random(source.length - length)).subarray(0, length);
        const text = "aé€𝄞".repeat(length >> 5);
        sent.push(i % 3 === 0 ? text : bytes);
        if (i % 4 > 0) await side.side.protocol.send(sent.at(-1)!);
        else {
          const parts = i % 3 === 0 ? [bytesOf(text)] : splits(bytes, random)[2]!.slice(0, 20);
          if (i % 3 > 0) sent[i] = concat(parts);
          for (const [at, part] of [...parts, bytesOf("")].entries()) {
            const place = { first: at === 0, last: at === parts.length };
            await side.side.protocol.sendPart!(i % 3 === 0 ? "text" : "binary", part, place);
          }
        }
        const wire = side.side.sent();
        for (let at = 0; at < wire.length;) {
          const piece = wire.subarray(at, at + 1 + random(wire.length));
          await receiver.receive(piece);
          at += piece.length;
        }
      }
      assertEquals(receiver.side.protocol.error, undefined);
      assertEquals(receiver.side.messages.length, sent.length);
      sent.forEach((message, at) => assertEquals(receiver.side.messages[at], message));
    });
  }

  Deno.test(`${role} §7.1.1: the context is taken over or not, and zlib's memory given back in the end`, async () => {
    const message = randomBytes(seeded(5), 3000);
    for (const noContextTakeover of [false, true]) {
      using side = new DeflateSide(role, { outgoing: { noContextTakeover } });
      using receiver = new DeflateSide(other, { incoming: { noContextTakeover } });
      const sizes = [];
      for (let i = 0; i < 3; i++) {
        await side.side.protocol.send(message);
        const wire = side.side.sent();
        sizes.push(wire.length);
        await receiver.receive(wire);
        // a deflater is 256 KiB, an inflater is little, and dear to make
        assertEquals(openHandles(), noContextTakeover ? 1 : 2);
      }
      assertEquals(receiver.side.messages, [message, message, message]);
      const [first, second] = sizes as [number, number];
      if (noContextTakeover) assertEquals(second, first);
      else assertLess(second, 100);
    }
    assertEquals(openHandles(), 0);
  });

  Deno.test(`${role} §7.1.1: what refers to an earlier message where no context is taken over fails with 1007`, async () => {
    using side = new DeflateSide(role, { incoming: { noContextTakeover: true } });
    await side.receive(fromPeer(role, 0xc1, HELLO));
    await side.receive(fromPeer(role, 0xc1, "f200110000"));
    assertEquals(side.side.messages, ["Hello"]);
    assertEquals(side.side.protocol.error?.closeCode, 1007);
  });
}
