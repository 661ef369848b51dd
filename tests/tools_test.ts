/** The stand-ins behave as the functions of @std do; where the suite runs against the real ones, so do these tests. */
import { assertEquals, AssertionError, assertRejects, assertThrows } from "@std/assert";
import { concat, indexOfNeedle } from "@std/bytes";
import { TextLineStream, toText } from "@std/streams";
import { toArrayBuffer } from "@std/streams/to-array-buffer";
import { bytesOf } from "./helpers/bytes.ts";

Deno.test("bytes: indexOfNeedle and concat", () => {
  const source = bytesOf("a\r\r\nb\r\n");
  const crlf = bytesOf("\r\n");
  const expected = [[0, 2], [2, 2], [3, 5], [6, -1], [100, -1], [-2, 5], [-100, 2]] as const;
  for (const [start, at] of expected) {
    assertEquals(indexOfNeedle(source, crlf, start), at, `from ${start}`);
  }
  assertEquals(indexOfNeedle(source, bytesOf("longer than the source")), -1);
  assertEquals(indexOfNeedle(new Uint8Array(), crlf), -1);
  assertEquals(concat([bytesOf("a"), bytesOf(""), bytesOf("bc")]), bytesOf("abc"));
  assertEquals(concat([]), new Uint8Array());
});

Deno.test("streams: toText, toArrayBuffer and TextLineStream", async () => {
  const pieces = () => ReadableStream.from([Uint8Array.of(0xc3), Uint8Array.of(0xa9, 0x0a)]);
  assertEquals(await toText(pieces()), "é\n");
  assertEquals(new Uint8Array(await toArrayBuffer(pieces())), bytesOf("é\n"));
  const lines = ReadableStream.from(["a\nb", "c\r\n", "\nlast"]).pipeThrough(new TextLineStream());
  assertEquals(await Array.fromAsync(lines), ["a", "bc", "", "last"]);
});

Deno.test("assert: failures are AssertionErrors", async () => {
  assertThrows(
    () => assertEquals<unknown>({ a: [1, "2"] }, { a: [1, 2] }),
    AssertionError,
    "not equal",
  );
  assertThrows(() => assertEquals<unknown>(Uint8Array.of(1), Uint8Array.of(2)), AssertionError);
  assertThrows(() => assertThrows(() => {}), AssertionError, "to throw");
  assertThrows(
    () =>
      assertThrows(() => {
        throw new TypeError("x");
      }, RangeError),
    AssertionError,
  );
  await assertRejects(() => assertRejects(() => Promise.resolve()), AssertionError, "to reject");
  await assertRejects(() => Promise.reject(new RangeError("out")), RangeError, "out");
});
