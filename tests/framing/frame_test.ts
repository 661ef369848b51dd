import { assertEquals, assertThrows } from "@std/assert";
import {
  encodeFrame,
  type FrameHeader,
  type FrameOptions,
  Opcode,
  readFrameHeader,
  WsProtocolError,
} from "../../framing/mod.ts";
import { applyMask } from "../../framing/mask.ts";
import { writeFrameHeader } from "../../framing/frame.ts";
import { hex, randomBytes, seeded, unhex } from "../helpers/bytes.ts";

function emptyHeader(): FrameHeader {
  return { fin: false, rsv1: false, opcode: 0, length: 0, masked: false, maskKey: 0 };
}

/** Serializing the frame yields these bytes; parsing these bytes yields the frame. */
function assertFrame(opcode: number, payload: Uint8Array, options: FrameOptions, expected: string) {
  const bytes = encodeFrame(opcode, payload, options);
  assertEquals(hex(bytes.subarray(0, expected.length / 2)), expected);
  const header = emptyHeader();
  const size = readFrameHeader(bytes, 0, bytes.length, header);
  const { fin = true, rsv1 = false, maskKey } = options;
  assertEquals(header, {
    fin,
    rsv1,
    opcode,
    length: payload.length,
    masked: maskKey !== undefined,
    maskKey: (maskKey ?? 0) | 0,
  });
  const body = bytes.slice(size);
  applyMask(body, 0, body.length, header.maskKey);
  assertEquals(body, payload);
  // the header is found as soon as it is complete, and not before
  for (let end = 0; end < size; end++) {
    assertEquals(readFrameHeader(bytes, 0, end, emptyHeader()), 0, `${end} bytes`);
  }
}

const text = (s: string) => new TextEncoder().encode(s);

Deno.test("RFC 6455 §5.7: the example frames, octet by octet", () => {
  const key = 0x3d_21_fa_37;
  assertFrame(Opcode.Text, text("Hello"), {}, "810548656c6c6f");
  assertFrame(Opcode.Text, text("Hello"), { maskKey: key }, "818537fa213d7f9f4d5158");
  assertFrame(Opcode.Text, text("Hel"), { fin: false }, "010348656c");
  assertFrame(Opcode.Continuation, text("lo"), {}, "80026c6f");
  assertFrame(Opcode.Ping, text("Hello"), {}, "890548656c6c6f");
  assertFrame(Opcode.Pong, text("Hello"), { maskKey: key }, "8a8537fa213d7f9f4d5158");
  assertFrame(Opcode.Binary, new Uint8Array(256), {}, "827e0100");
  assertFrame(Opcode.Binary, new Uint8Array(65536), {}, "827f0000000000010000");
});

Deno.test("RFC 6455 §5.2: lengths are written and read in their minimal form, masked or not", () => {
  const random = seeded(1);
  const starts: Record<number, string> = {
    0: "00",
    1: "01",
    124: "7c",
    125: "7d",
    126: "7e007e",
    127: "7e007f",
    65534: "7efffe",
    65535: "7effff",
    65536: "7f0000000000010000",
    65537: "7f0000000000010001",
  };
  for (const [length, start] of Object.entries(starts)) {
    const payload = randomBytes(random, Number(length));
    assertFrame(Opcode.Binary, payload, {}, "82" + start);
    for (const maskKey of [0, 1, 0x80000000, 0xdeadbeef]) {
      const masked = (parseInt(start.slice(0, 2), 16) | 0x80).toString(16) + start.slice(2);
      assertFrame(Opcode.Binary, payload, { maskKey }, "82" + masked);
    }
  }
});

Deno.test("lengths up to 2^53 − 1 are read and written", () => {
  for (const length of [2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER]) {
    const bytes = new Uint8Array(14);
    assertEquals(writeFrameHeader(bytes, 0, 0x82, length, undefined), 10);
    const header = emptyHeader();
    assertEquals(readFrameHeader(bytes, 0, 10, header), 10);
    assertEquals(header.length, length);
  }
});

for (
  const [what, bytes, code, message] of [
    ["RSV2 (§5.2)", "a100", 1002, "Reserved bit RSV2 or RSV3 is set"],
    ["RSV3 (§5.2)", "9100", 1002, "Reserved bit RSV2 or RSV3 is set"],
    ["opcode 3 (§5.2)", "8300", 1002, "Opcode 3 is reserved"],
    ["opcode 7 (§5.2)", "8700", 1002, "Opcode 7 is reserved"],
    ["opcode 11 (§5.2)", "8b00", 1002, "Opcode 11 is reserved"],
    ["opcode 15 (§5.2)", "8f00", 1002, "Opcode 15 is reserved"],
    ["a fragmented ping (§5.5)", "0900", 1002, "Control frame is fragmented"],
    ["a long ping, before its length is complete (§5.5)", "897e", 1002, "more than 125 bytes"],
    ["a long close (§5.5)", "88ff", 1002, "more than 125 bytes"],
    ["16 bits for 125 (§5.2)", "827e007d", 1002, "used 2 bytes when none would have sufficed"],
    ["64 bits for 65535 (§5.2)", "827f000000000000ffff", 1002, "used 8 bytes when 2"],
    ["2^63 (§5.2)", "827f8000000000000000", 1002, "most significant bit"],
    ["2^64 − 1 (§5.2)", "827fffffffffffffffff", 1002, "most significant bit"],
    ["2^53", "827f0020000000000000", 1009, "over 2^53 − 1"],
  ] as const
) {
  Deno.test(`a frame header is refused: ${what}`, () => {
    const all = unhex(bytes);
    const error = assertThrows(
      () => readFrameHeader(all, 0, all.length, emptyHeader()),
      WsProtocolError,
      message,
    );
    assertEquals(error.closeCode, code);
  });
}
