import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { acceptKey, answerTo, generateChallenge, keyNumber } from "../../handshake/challenge.ts";
import { WsHandshakeError } from "../../handshake/error.ts";
import { expectedAccept } from "../../handshake/rfc6455.ts";
import { bytesOf } from "../helpers/bytes.ts";

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const KEY1 = "18x 6]8vM;54 *(5:  {   U1]8  z [  8";
const KEY2 = "1_ tx7X d  <  nw  334J702) 7]o}` 0";

Deno.test("hybi-00: the example challenges and their answers", () => {
  const key3 = bytesOf("Tm[K T2u");
  assertEquals(textOf(answerTo({ key1: KEY1, key2: KEY2, key3 })), "fQJ,fN/4F4!~K~MH");
  assertEquals(keyNumber(KEY1), 155712099);
  assertEquals(keyNumber(KEY2), 173347027);
});

Deno.test("hybi-00 §5.2: keys that hide no number are refused with 400", () => {
  for (
    const [key, why] of [
      ["12345", "no spaces"],
      ["", "no spaces"],
      ["1 2 3 4", "cannot be divided"], // 1234 / 3
      ["4294967296 0".replace(" 0", " "), "more than 32 bits"],
      ["x y", "no number"],
      ["9".repeat(400) + " ", "no number"],
    ] as const
  ) {
    const error = assertThrows(() => keyNumber(key), WsHandshakeError, why);
    assertEquals(error.status, 400);
  }
  assertEquals(keyNumber("4294967295 "), 0xffffffff);
  assertEquals(keyNumber(" 0"), 0);
});

Deno.test("hybi-00 §4.1: 2,000 generated keys are as the draft says", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const { key1, key2, key3 } = generateChallenge();
    assertEquals(key3.length, 8);
    for (const key of [key1, key2]) {
      seen.add(key);
      const spaces = key.split(" ").length - 1;
      assert(spaces >= 1 && spaces <= 12, `${spaces} spaces`);
      assertMatch(key, /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/); // no space first or last
      assert(keyNumber(key) <= 0xffffffff);
      const noise = key.replace(/[\d ]/g, "").length;
      assert(noise >= 1 && noise <= 12, `${noise} characters of noise`);
    }
  }
  assertEquals(seen.size, 2000);
});

Deno.test("RFC 6455 §1.3: the example key and its answer, as a server makes it and as a client expects it", async () => {
  const key = "dGhlIHNhbXBsZSBub25jZQ==", answer = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  assertEquals([acceptKey(key), await expectedAccept(key)], [answer, answer]);
});
