import { assertEquals, assertThrows } from "@std/assert";
import { decodeClose, encodeClose, WsProtocolError } from "../../framing/mod.ts";
import { hex, unhex } from "../helpers/bytes.ts";

const SENDABLE = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
const REFUSED = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];

Deno.test("RFC 6455 §7.4: which codes may stand in a Close frame", () => {
  for (const code of [...SENDABLE, 3000, 3999, 4000, 4999]) {
    assertEquals(decodeClose(encodeClose(code, "why")), { code, reason: "why" });
  }
  for (const code of REFUSED) {
    assertThrows(() => encodeClose(code, "why"), RangeError, `Cannot close with code ${code}`);
    const error = assertThrows(
      () => decodeClose(Uint8Array.of(code >> 8, code)),
      WsProtocolError,
      `code ${code}`,
    );
    assertEquals(error.closeCode, 1002);
  }
});

Deno.test("RFC 6455 §5.5.1: the payload of a Close frame", () => {
  assertEquals(hex(encodeClose(1000)), "03e8");
  assertEquals(hex(encodeClose(1001, "é")), "03e9c3a9");
  assertEquals(hex(encodeClose(1005)), "");
  assertEquals(decodeClose(unhex("")), { code: 1005, reason: "" });
  assertEquals(assertThrows(() => decodeClose(unhex("03")), WsProtocolError).closeCode, 1002);
  assertEquals(assertThrows(() => decodeClose(unhex("03e8c3")), WsProtocolError).closeCode, 1007);
});

Deno.test("RFC 6455 §5.5: a reason takes at most 123 bytes of UTF-8", () => {
  assertEquals(encodeClose(1000, "x".repeat(123)).length, 125);
  assertThrows(() => encodeClose(1000, "x".repeat(124)), RangeError, "124 bytes");
  assertThrows(() => encodeClose(1000, "é".repeat(62)), RangeError, "124 bytes");
});

Deno.test("codes that are never sent are refused with the reason why", () => {
  assertThrows(() => encodeClose(1006), RangeError, "Cannot close with code 1006: it is reserved");
  assertThrows(() => encodeClose(1005, "a reason"), RangeError, "reserved and never sent");
  for (const code of [1000.5, NaN, -1]) assertThrows(() => encodeClose(code), RangeError);
});
