import { assert, assertEquals } from "@std/assert";
import wabt from "npm:wabt@1.0.39"; // assembles WebAssembly
import { applyMask, nextMaskKey } from "../../framing/mod.ts";
import { applyMaskWithin, maskedCopy, maskInto, rotateKey } from "../../framing/mask.ts";
import { PROGRAM } from "../../framing/mask_simd.ts";
import { randomBytes, seeded } from "../helpers/bytes.ts";

/** RFC 6455 §5.3, to the letter. */
function maskedByTheBook(payload: Uint8Array, key: number): Uint8Array {
  const octets = [key, key >>> 8, key >>> 16, key >>> 24].map((octet) => octet & 0xff);
  return payload.map((octet, i) => octet ^ octets[i % 4]!);
}

Deno.test("RFC 6455 §5.3: every length, at every alignment, is masked as by the book", () => {
  const random = seeded(2);
  const long = [1000, 1023, 1024, 1031, 1040, 4096, 65535, 65536, 65537, 65552];
  const longer = [131_072, 131_073, 200_003]; // more than the program masks at once
  for (const length of [...Array(140).keys(), ...long, ...longer]) {
    for (let offset = 0; offset < 8; offset++) {
      const key = random(2 ** 32);
      const buffer = randomBytes(random, offset + length + 5);
      const expected = buffer.slice();
      const payload = maskedByTheBook(buffer.slice(offset, offset + length), key);
      expected.set(payload, offset);
      const other = new Uint8Array(buffer.length + 3 & ~3); // as words go
      other.set(buffer);
      const words = new Uint32Array(other.buffer);
      const isAscii = payload.every((octet) => octet < 0x80);
      for (
        const seen of [
          applyMask(buffer, offset, offset + length, key),
          applyMaskWithin(other, words, offset, offset + length, key),
        ]
      ) assertEquals((seen & 0x80808080) === 0, isAscii);
      assertEquals(buffer, expected);
      assertEquals(other.subarray(0, buffer.length), expected);

      const unmasked = buffer.subarray(offset, offset + length); // by now it is the payload, masked
      const original = maskedByTheBook(unmasked, key);
      assertEquals(maskedCopy(unmasked, key), original);
      const into = new Uint8Array(offset + length + 5);
      maskInto(unmasked, into, offset, key);
      assertEquals(into.subarray(offset, offset + length), original);
      assertEquals(into.subarray(0, offset), new Uint8Array(offset));
      assertEquals(into.subarray(offset + length), new Uint8Array(5));
      assertEquals(buffer, expected); // neither has changed its argument
    }
  }
});

Deno.test("one character that is not ASCII is noticed, wherever it stands", () => {
  for (const length of [1, 5, 60, 1024, 1047, 65536 + 40]) {
    const key = 0xf1_02_e3_84;
    const ascii = new Uint8Array(length).fill(0x41);
    assertEquals(applyMask(maskedByTheBook(ascii, key), 0, length, key) & 0x80808080, 0);
    for (const at of [0, length >> 1, length - 1]) {
      const text = ascii.slice();
      text[at] = 0xc3;
      assert((applyMask(maskedByTheBook(text, key), 0, length, key) & 0x80808080) !== 0);
    }
  }
});

Deno.test("the program that masks long payloads is mask.wat, assembled", async () => {
  const source = await Deno.readTextFile(new URL("../../framing/mask.wat", import.meta.url));
  const { parseWat } = await wabt();
  const module = parseWat("mask.wat", source, { simd: true });
  const { buffer } = module.toBinary({});
  module.destroy();
  assertEquals(Uint8Array.from(atob(PROGRAM), (char) => char.charCodeAt(0)), buffer);
});

Deno.test("where there is no WebAssembly, long payloads and many messages are masked too", async () => {
  const program = `
    import { applyMask } from ${JSON.stringify(import.meta.resolve("../../framing/mask.ts"))};
    import { Input } from ${JSON.stringify(import.meta.resolve("../../framing/input.ts"))};
    const payload = new Uint8Array(3000).fill(0x41);
    const seen = applyMask(payload, 1, 2999, 0x04030201);
    console.log(typeof WebAssembly, payload.subarray(0, 6).join(), payload.at(-2), payload.at(-1), seen & 0x80808080);

    const input = new Input();
    input.space().set([0x82, 0x81, 1, 2, 3, 4, 5 ^ 1, 0x82, 0x82, 9, 8, 7, 6, 5 ^ 9, 6 ^ 8, 0x82, 0x83]);
    input.received(17);
    console.log(input.copy(6, 7, 0x04030201).join(), input.copy(13, 15, 0x06070809).join());
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", "--v8-flags=--jitless", program],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(text, "undefined 65,64,67,66,69,64 67 65 0\n5 5,6\n");
});

Deno.test("masking can be interrupted anywhere and goes on with the rotated key", () => {
  const random = seeded(3);
  for (let cut = 0; cut <= 100; cut++) {
    const key = random(2 ** 32);
    const payload = randomBytes(random, 100);
    const expected = maskedByTheBook(payload, key);
    applyMask(payload, 0, cut, key);
    applyMask(payload, cut, 100, rotateKey(key, cut));
    assertEquals(payload, expected);
  }
});

Deno.test("RFC 6455 §10.3: masking keys do not repeat", () => {
  const keys = new Set(Array.from({ length: 5000 }, nextMaskKey));
  assert(keys.size > 4990); // of 2^32, 5,000 are expected to have 0.003 pairs alike
});
