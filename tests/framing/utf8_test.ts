import { assert, assertEquals } from "@std/assert";
import { decodeUtf8, Utf8Validator } from "../../framing/utf8.ts";
import { seeded, splits, unhex } from "../helpers/bytes.ts";

const VALID = [
  "",
  "Hello",
  "κόσμε",
  "\u0000\u007f\u0080\u07ff\u0800\uffff",
  "\u{10000}\u{10ffff}\ud7ff\ue000\ufffd\ufffe",
  "\ufeffwith a byte order mark",
  "€uro 𝄞 日本語".repeat(50),
];

/** Bytes that are no UTF-8, and how many of them it takes until that is certain. */
const INVALID: [string, string, number][] = [
  ["a lone continuation byte", "80", 1],
  ["a continuation too many", "c3a9 80", 3],
  ["an overlong slash of 2 bytes", "c0af", 1],
  ["lead byte c1", "41 c1", 2],
  ["an overlong slash of 3 bytes", "e080af", 2],
  ["an overlong slash of 4 bytes", "f08080af", 2],
  ["a high surrogate", "eda080", 2],
  ["a low surrogate", "edb080", 2],
  ["above U+10FFFF", "f4908080", 2],
  ["lead byte f5", "f5808080", 1],
  ["lead byte ff", "ff", 1],
  ["a character cut by ASCII", "e282 41", 3],
  ["Autobahn 6.4: certain in the middle", "cebae1bdb9cf83cebcceb5 f4908080 656469746564", 13],
];

Deno.test("valid text is valid in whatever pieces it comes, and decodes to itself", () => {
  const random = seeded(4);
  for (const text of VALID) {
    const bytes = new TextEncoder().encode(text);
    assertEquals(decodeUtf8(bytes), text);
    for (const pieces of splits(bytes, random)) {
      const validator = new Utf8Validator();
      assert(pieces.every((piece) => validator.push(piece)), text);
      assert(validator.complete);
    }
  }
});

for (const [what, text, certain] of INVALID) {
  Deno.test(`RFC 6455 §8.1: invalid at the very byte in which it becomes certain: ${what}`, () => {
    const bytes = unhex(text);
    assertEquals(decodeUtf8(bytes), undefined);
    for (let cut = 0; cut <= certain - 1; cut++) {
      const validator = new Utf8Validator();
      assert(validator.push(bytes.subarray(0, cut)));
      assert(validator.push(bytes.subarray(cut, certain - 1)));
      assert(!validator.push(bytes.subarray(certain - 1, certain)));
    }
    assert(!new Utf8Validator().push(bytes));
  });
}

Deno.test("text that ends within a character is not complete, and not invalid yet", () => {
  for (const text of ["c3", "e2", "e282", "f0", "f09d", "f09d84", "41e2"]) {
    const bytes = unhex(text);
    const validator = new Utf8Validator();
    assert(validator.push(bytes));
    assert(!validator.complete);
    assertEquals(decodeUtf8(bytes), undefined);
  }
});

Deno.test("random bytes are judged as TextDecoder judges them, in whatever pieces", () => {
  const random = seeded(5);
  const alphabet = unhex("00417f80 8f909f a0bfc0 c1c2df e0e1ec edeeef f0f1f3 f4f5ff");
  for (let round = 0; round < 3000; round++) {
    const bytes = Uint8Array.from({ length: random(9) }, () => alphabet[random(alphabet.length)]!);
    let expected = true;
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      expected = false;
    }
    assertEquals(decodeUtf8(bytes) !== undefined, expected);
    for (const pieces of splits(bytes, random)) {
      const validator = new Utf8Validator();
      assertEquals(pieces.every((p) => validator.push(p)) && validator.complete, expected);
    }
  }
});
