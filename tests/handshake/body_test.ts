import { assertEquals, assertThrows } from "@std/assert";
import { concat } from "@std/bytes";
import { BodyDecoder } from "../../handshake/body.ts";
import { WsHandshakeError } from "../../handshake/error.ts";
import { bytesOf, seeded, splits } from "../helpers/bytes.ts";

const head = (headers: HeadersInit) => ({ line: "", headers: new Headers(headers) });

function decode(headers: HeadersInit, pieces: Uint8Array[], untilEnd = false) {
  const decoder = new BodyDecoder(head(headers), untilEnd);
  const body = concat(pieces.map((piece) => decoder.push(piece).slice()));
  return { body: new TextDecoder().decode(body), done: decoder.done };
}

Deno.test("RFC 9112 §6: bodies of a given length, chunked, and up to the end, in whatever pieces", () => {
  const chunked =
    "5;ext=1\r\nHello\r\n1\r\n,\r\n010\r\n chunked\r\nworld!\r\n0\r\nTrailer: x\r\n\r\n";
  for (
    const [headers, text, body, done, untilEnd] of [
      [{ "content-length": "5" }, "Hello and more", "Hello", true, true],
      [{ "content-length": "5" }, "Hell", "Hell", false, true],
      [{ "content-length": "0" }, "more", "", true, true],
      [{}, "all of it", "all of it", false, true],
      [{}, "nothing", "", true, false],
      [{ "transfer-encoding": "Chunked" }, chunked, "Hello, chunked\r\nworld!", true, false],
      [
        { "transfer-encoding": "chunked" },
        chunked.slice(0, -2),
        "Hello, chunked\r\nworld!",
        false,
        true,
      ],
      [
        { "transfer-encoding": "chunked" },
        chunked + "5\r\n",
        "Hello, chunked\r\nworld!",
        true,
        true,
      ],
    ] as const
  ) {
    for (const pieces of splits(bytesOf(text), seeded(30))) {
      assertEquals(decode(headers, pieces, untilEnd), { body, done });
    }
  }
});

Deno.test("malformed lengths and chunks are refused", () => {
  for (const length of ["-1", "1.5", "1e3", "0x10", "", "1, 1", "9".repeat(16)]) {
    assertThrows(() => decode({ "content-length": length }, []), WsHandshakeError, "malformed");
  }
  for (
    const text of [
      "x\r\n",
      "\r\n",
      "-5\r\nHello\r\n",
      "5\r\nHelloX\r\n",
      "fffffffffffff\r\n",
      "0x5\r\nHello\r\n",
      "1" + " ".repeat(1100) + "\r\n",
    ]
  ) {
    for (const pieces of splits(bytesOf(text), seeded(31))) {
      const error = assertThrows(
        () => decode({ "transfer-encoding": "chunked" }, pieces),
        WsHandshakeError,
        "malformed",
      );
      assertEquals(error.status, 400);
    }
  }
});
