/** The runner itself: a row that says anything else than what happens must not pass. */
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { unhex } from "../helpers/bytes.ts";
import { encode, type Frame, FrameReader } from "./octets.ts";
import {
  binary,
  type Case,
  close,
  closeFor,
  cut,
  fragments,
  last,
  open,
  ping,
  pong,
  text,
  VIOLATION,
} from "./rows.ts";
import { runRow } from "./runner.ts";

const KEY = [0x37, 0xfa, 0x21, 0x3d];

/** RFC 6455 §5.7: the octets, the frame, and whether a client sends it. */
const EXAMPLES: [string, Frame, boolean][] = [
  ["81 05 48656c6c6f", text("Hello"), false],
  ["81 85 37fa213d 7f9f4d5158", text("Hello"), true],
  ["01 03 48656c", open(text("Hel")), false],
  ["80 02 6c6f", last("lo"), false],
  ["89 05 48656c6c6f", ping("Hello"), false],
  ["8a 85 37fa213d 7f9f4d5158", pong("Hello"), true],
  ["88 02 03e8", close(1000), false],
  [`82 7e 0100 ${"00".repeat(256)}`, binary(new Uint8Array(256)), false],
  [`82 7f 0000000000010000 ${"00".repeat(65536)}`, binary(new Uint8Array(65536)), false],
];

Deno.test("the frames of the table are the octets of RFC 6455 §5.7, and back", () => {
  for (const [octets, frame, masked] of EXAMPLES) {
    assertEquals(encode(frame, masked, KEY).toHex(), unhex(octets).toHex());
    for (const size of [1, 7, 100_000]) {
      const reader = new FrameReader(masked);
      const all = unhex(octets + octets);
      for (let at = 0; at < all.length; at += size) reader.push(all.subarray(at, at + size));
      assertEquals(reader.frames, [frame, frame]);
      assertEquals(reader.left, 0);
    }
  }
});

Deno.test("the parts of a frame that is cut are its octets", () => {
  const frame = { ...text("Hello, World"), key: KEY };
  const parts = cut(frame, 0, 1, 6, 6).map((part) => encode(part, true, []));
  assertEquals(parts.map((part) => part.length), [6, 1, 5, 0, 6]);
  assertEquals(parts.map((part) => part.toHex()).join(""), encode(frame, true, []).toHex());
});

Deno.test("a frame that is masked by the wrong side, or longer than it need be, is noticed", () => {
  const wrong: [string, boolean, string][] = [
    ["8105 48656c6c6f", true, "unmasked from a client"],
    ["8185 37fa213d 7f9f4d5158", false, "masked"],
    ["817e 007d", false, "its length of 125 in 2 octets"],
    ["817f 000000000000ffff", false, "its length of 65535 in 8 octets"],
    ["81fe 0001 00000000 00", true, "its length of 1 in 2 octets"],
  ];
  for (const [octets, masked, message] of wrong) {
    assertThrows(() => new FrameReader(masked).push(unhex(octets)), Error, message);
  }
});

const OPEN = { how: "open" } as const;
const FAILED = { how: "failed", code: 1007 } as const;
const CLOSED = { how: "closed", info: { code: 1000, reason: "", wasClean: true } } as const;
const bad = text(unhex("ff"));
const failing = closeFor(VIOLATION.notUtf8);

/** What is wrong with a row, the row, and what the runner says. */
const WRONG: [string, Pick<Case, "turns" | "end" | "late">, string][] = [
  ["another payload", {
    turns: [{ send: [text("a")], back: [text("b")] }],
    end: OPEN,
  }, "frame 1"],
  ["a shorter payload", {
    turns: [{ send: [text("ab")], back: [text("a")] }],
    end: OPEN,
  }, "frame 1"],
  ["another first octet", {
    turns: [{ send: [text("a")], back: [binary("a")] }],
    end: OPEN,
  }, "frame 1"],
  ["fragments instead of a message", {
    turns: [{ send: [text("ab")], back: fragments(text(), ["a", "b"]) }],
    end: OPEN,
  }, "no end within 300 ms"],
  ["a frame too many", {
    turns: [{ send: [ping("a")], back: [pong("a"), pong("a")] }],
    end: OPEN,
  }, "no end within 300 ms"],
  ["a frame too few", {
    turns: [{ send: [ping("a"), text("b")], back: [pong("a")] }],
    end: OPEN,
  }, "frame 2"],
  ["no frame at all", { turns: [{ send: [text("a")], back: [] }], end: OPEN }, "frame 1"],
  ["another order", {
    turns: [{ send: [ping("a"), ping("b")], back: [pong("b"), pong("a")] }],
    end: OPEN,
  }, "frame 1"],
  ["an answer that comes a turn too early", {
    turns: [{ send: [bad], back: [] }, { send: [], back: [failing] }],
    end: FAILED,
  }, "frame 1"],
  ["an answer to what comes late", {
    turns: [{ send: [text("a")], back: [text("a")] }],
    late: [ping("late")],
    end: OPEN,
  }, "frame 2"],
  ["another close code", {
    turns: [{ send: [bad], back: [closeFor([1002, VIOLATION.notUtf8[1]])] }],
    end: FAILED,
  }, "frame 1"],
  ["another reason", {
    turns: [{ send: [bad], back: [closeFor([1007, "Text message is invalid"])] }],
    end: FAILED,
  }, "frame 1"],
  ["a failure that is none", {
    turns: [{ send: [close(1000)], back: [close(1000)] }],
    end: { how: "failed", code: 1000 },
  }, ""],
  ["a close that is a failure", { turns: [{ send: [bad], back: [failing] }], end: CLOSED }, ""],
  ["an open end that is a failure", { turns: [{ send: [bad], back: [failing] }], end: OPEN }, ""],
  ["a connection lost that was closed", {
    turns: [{ send: [close(1000)], back: [close(1000)] }],
    end: { how: "lost" },
  }, ""],
  ["an end that is not clean", {
    turns: [{ send: [close(1000)], back: [close(1000)] }],
    end: { how: "closed", info: { code: 1000, reason: "", wasClean: false } },
  }, "conn.finished"],
  ["no ways to cut", { turns: [], end: OPEN, ...{ chops: [] } }, "no way to cut is named"],
];

for (const [what, row, message] of WRONG) {
  for (const sut of ["server", "client"] as const) {
    Deno.test(`a row is found to be wrong, against a ${sut}: ${what}`, async () => {
      const whole = { id: "0.0", name: what, section: "§0", chops: ["whole"] as const, ...row };
      // for what never comes the runner can only wait
      const patience = message.startsWith("frame") ? undefined : 300;
      const error = await assertRejects(() => runRow(whole, sut, patience), Error, message);
      assertStringIncludes(error.message, `0.0 against a ${sut}`);
    });
  }
}
