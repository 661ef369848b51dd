import { assert, assertEquals, assertThrows } from "@std/assert";
import { concat } from "@std/bytes";
import { type FramingMode, framingMode, HixieProtocol } from "../../framing/mod.ts";
import { bytesOf, hex, seeded, splits, unhex } from "../helpers/bytes.ts";
import { Side } from "../helpers/protocol.ts";

function side(
  mode: FramingMode,
  version: "hixie-75" | "hixie-76" = "hixie-76",
  maxMessageSize = 1 << 20,
): Side {
  return new Side((events) => new HixieProtocol(version, mode, events, { maxMessageSize }));
}

/** A text as each framing writes it, by the book. */
function frame(mode: FramingMode, text: string): Uint8Array {
  const bytes = bytesOf(text);
  if (mode === "old") return concat([unhex("00"), bytes, unhex("ff")]);
  return concat([unhex("ff" + bytes.length.toString(16).padStart(16, "0")), bytes]);
}

Deno.test("golden bytes: text and close in both framings", () => {
  const old = side("old");
  old.protocol.send("Hé");
  old.protocol.close(1000, "no place for a reason");
  assertEquals(hex(old.sent()), "0048c3a9ffff00");
  const new_ = side("new");
  new_.protocol.send("Hé");
  new_.protocol.close(1000, "");
  assertEquals(hex(new_.sent()), "ff000000000000000348c3a9000000000000000000");
  const hixie75 = side("old", "hixie-75");
  hixie75.protocol.send("");
  hixie75.protocol.close(1000, "");
  assertEquals(hex(hixie75.sent()), "00ff"); // no closing frame
  assertEquals(hixie75.protocol.state, "closed");
});

for (const mode of ["old", "new"] as const) {
  Deno.test(`${mode}: messages of every length go through, in whatever pieces`, () => {
    const random = seeded(60);
    const texts = ["", "x", "κόσμε 𝄞", "\0", "a".repeat(1023), "é".repeat(600), "b".repeat(70_000)];
    const wire = concat(texts.map((text) => frame(mode, text)));
    for (const pieces of splits(wire, random)) {
      const receiver = side(mode);
      for (const piece of pieces) receiver.receive(piece);
      assertEquals(receiver.protocol.error, undefined);
      assertEquals(receiver.messages, texts);
    }
    const sender = side(mode);
    for (const text of texts) sender.protocol.send(text);
    assertEquals(sender.sent(), wire);
  });

  Deno.test(`${mode}: a closing frame is answered by one, and ends the protocol`, () => {
    const close = mode === "old" ? unhex("ff00") : unhex("000000000000000000");
    for (
      const pieces of splits(
        concat([frame(mode, "before"), close, frame(mode, "after")]),
        seeded(61),
      )
    ) {
      const receiver = side(mode);
      for (const piece of pieces) receiver.receive(piece);
      assertEquals(receiver.messages, ["before"]);
      assertEquals(receiver.protocol.state, "closed");
      assertEquals(receiver.protocol.received, { code: 1005, reason: "" });
      assertEquals(receiver.sent(), close);
    }
    const closing = side(mode);
    closing.protocol.close(1000, "");
    assertEquals(closing.protocol.state, "closing");
    assertEquals(closing.sent(), close);
    closing.receive(concat([frame(mode, "discarded"), close]));
    assertEquals([closing.protocol.state, closing.messages.length], ["closed", 0]);
    assertEquals(closing.sent().length, 0);
  });

  Deno.test(`${mode}: text only, no pings`, () => {
    const { protocol } = side(mode);
    assertThrows(() => protocol.send(Uint8Array.of(1)), TypeError, "hixie-76 carries text only");
    assertThrows(() => protocol.ping(new Uint8Array()), TypeError, "hixie-76 has no Ping");
    assert(protocol.textOnly);
  });

  Deno.test(`${mode}: what is hostile is refused, in bounded memory, at the byte that shows it`, () => {
    const cases: [string, Uint8Array, number][] = mode === "old"
      ? [
        ["invalid UTF-8, before the frame ends", unhex("0048c328"), 1007],
        ["a text that ends within a character", unhex("00e282ff"), 1007],
        ["an endless text", concat([unhex("00"), new Uint8Array(1001).fill(0x78)]), 1009],
        ["an endless frame of another type", concat([unhex("01"), new Uint8Array(1001)]), 1009],
        ["an endless length", unhex("80" + "80".repeat(10)), 1002],
        ["a length that overflows", unhex("80ffff"), 1009],
        ["a length over the limit", unhex("808769"), 1009], // 1001
      ]
      : [
        ["invalid UTF-8, before the frame ends", unhex("ff0000000000000009 48c328"), 1007],
        ["a text that ends within a character", unhex("ff0000000000000002 e282"), 1007],
        ["a length over the limit", unhex("ff00000000000003e9"), 1009],
        ["a length that overflows", unhex("ffffff"), 1009],
        ["a type that is neither text nor close", unhex("01"), 1002],
        ["a close with a length", unhex("000000000000000001"), 1002],
      ];
    for (const [what, wire, code] of cases) {
      for (const pieces of splits(concat([frame(mode, "before"), wire]), seeded(62))) {
        const receiver = side(mode, "hixie-76", 1000);
        for (const piece of pieces) receiver.receive(piece);
        assertEquals(receiver.messages, ["before"], what);
        assertEquals(receiver.protocol.error?.closeCode, code, what);
        assertEquals(receiver.protocol.state, "closed");
        assertEquals(receiver.sent().length, 0); // the drafts cannot say why
        receiver.receive(frame(mode, "after"));
        assertEquals(receiver.messages, ["before"]);
      }
      const early = side(mode, "hixie-76", 1000);
      early.receive(wire.subarray(0, wire.length - 1));
      assertEquals(early.protocol.error, undefined, `${what}: one byte before`);
    }
  });
}

Deno.test("hybi-00 §5.3: frames of other types are read and discarded", () => {
  const wire = concat([
    unhex("80 03 ffffff"), // a length of 3
    frame("old", "one"),
    concat([unhex("fe 8101"), new Uint8Array(129).fill(0xff)]), // a length of 129
    unhex("42 00ab00 ff"), // a type below 0x80, up to its 0xFF
    unhex("80 00"),
    frame("old", "two"),
    unhex("80 808000"), // a length with leading zeros
    frame("old", "three"),
  ]);
  for (const pieces of splits(wire, seeded(63))) {
    const receiver = side("old");
    for (const piece of pieces) receiver.receive(piece);
    assertEquals(receiver.protocol.error, undefined);
    assertEquals(receiver.messages, ["one", "two", "three"]);
  }
});

Deno.test("hixie-75: FF 00 closes nothing; the end of TCP between frames closes, within one it is a loss", () => {
  const between = side("old", "hixie-75");
  between.receive(concat([unhex("ff00"), frame("old", "text")]));
  assertEquals([between.messages, between.protocol.state], [["text"], "open"]);
  between.protocol.end();
  assertEquals(between.protocol.received, { code: 1005, reason: "" });
  const within = side("old", "hixie-75");
  within.receive(unhex("0041"));
  within.protocol.end();
  assertEquals(within.protocol.received, undefined);
  const hixie76 = side("old");
  hixie76.protocol.end();
  assertEquals(hixie76.protocol.received, undefined);
});

Deno.test("memory: a length that is announced takes none until bytes come", () => {
  const receiver = side("new", "hixie-76", 2 ** 40);
  receiver.receive(unhex("ff0000001000000000 78")); // 64 GiB
  assertEquals(receiver.protocol.error, undefined);
  assertEquals(receiver.protocol.state, "open");
});

Deno.test("framingMode reads and sets the mode", () => {
  assertEquals(framingMode(), "old");
  framingMode("new");
  assertEquals(framingMode(), "new");
  framingMode("old");
  assertThrows(() => framingMode("newest" as FramingMode), TypeError, "current value is");
  assertEquals(framingMode(), "old");
});
