import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { decodeEnvelope, encodeEnvelope, newOrigin } from "../../redis/envelope.ts";
import { hex, randomBytes, seeded, unhex } from "../helpers/bytes.ts";

const ORIGIN = "000102030405060708090a0b0c0d0e0f";
const origin = unhex(ORIGIN), other = newOrigin();
const MAX = 1 << 20;

Deno.test("an envelope: these messages give these bytes, and these bytes these messages", () => {
  const cases: [message: string | Uint8Array, head: string, payload: string][] = [
    ["", "77730101", ""],
    ["é", "77730101", "c3a9"],
    ["\ufeffx", "77730101", "efbbbf78"],
    [unhex(""), "77730102", ""],
    [unhex("00ff"), "77730102", "00ff"],
  ];
  for (const [message, head, payload] of cases) {
    const bytes = encodeEnvelope(origin, message, MAX);
    assertEquals(hex(bytes), head + ORIGIN + payload);
    assertEquals(decodeEnvelope(bytes, other, MAX), message);
    assertEquals(decodeEnvelope(bytes, origin, MAX), null);
  }
});

Deno.test("an envelope that is none: a SyntaxError says what is wrong", () => {
  const cases: [bytes: string, message: string][] = [
    ["", "It is not from a bus"],
    ["77730101" + ORIGIN.slice(2), "It is not from a bus"],
    ["77740101" + ORIGIN, "It is not from a bus"],
    ["77730201" + ORIGIN, "Its envelope is of version 2, expected 1"],
    ["77730100" + ORIGIN, "Its opcode is 0, expected 1 or 2"],
    ["77730109" + ORIGIN, "Its opcode is 9, expected 1 or 2"],
    ["77730101" + ORIGIN + "ff", "It is text, but not UTF-8"],
    ["77730101" + ORIGIN + "eda080", "It is text, but not UTF-8"],
    ["77730102" + ORIGIN + "0000000000", "The message has 5 bytes, maxMessageSize is 4 bytes"],
  ];
  for (const [bytes, message] of cases) {
    assertThrows(() => decodeEnvelope(unhex(bytes), other, 4), SyntaxError, message);
  }
});

Deno.test("an envelope: random bytes give a message or a SyntaxError, and nothing else", () => {
  const random = seeded(7);
  let messages = 0;
  for (let i = 0; i < 5000; i++) {
    const bytes = encodeEnvelope(origin, randomBytes(random, random(40)), MAX);
    for (let changes = random(3); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
    try {
      decodeEnvelope(
        bytes.subarray(0, random(2) ? bytes.length : random(bytes.length)),
        other,
        MAX,
      );
      messages++;
    } catch (error) {
      assertStrictEquals((error as Error).name, "SyntaxError");
    }
  }
  assertEquals(messages > 100 && messages < 4900, true);
});

Deno.test("an envelope: a message that is too long is not made", () => {
  encodeEnvelope(origin, "éé", 4);
  assertThrows(
    () => encodeEnvelope(origin, "ééx", 4),
    RangeError,
    "The message has 5 bytes, maxMessageSize is 4 bytes",
  );
});
