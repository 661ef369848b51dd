import { assertEquals } from "@std/assert";
import { Output } from "../../framing/output.ts";
import { applyMask } from "../../framing/mask.ts";
import { randomBytes, seeded } from "../helpers/bytes.ts";
import { concat } from "@std/bytes";

function append(output: Output, bytes: Uint8Array): void {
  const at = output.reserve(bytes.length);
  output.tail.set(bytes, at);
  output.commit(bytes.length);
}

Deno.test("whatever is appended comes out in order, however much each write takes", () => {
  const random = seeded(6);
  for (let round = 0; round < 50; round++) {
    const output = new Output();
    const expected: Uint8Array[] = [], written: Uint8Array[] = [];
    let waiting = 0;
    for (let step = 0; step < 200; step++) {
      if (random(3) > 0) {
        const bytes = randomBytes(random, random(random(10) === 0 ? 60_000 : 300));
        if (random(20) === 0) {
          const maskKey = random(2) === 0 ? undefined : random(2 ** 32);
          output.push(bytes, maskKey);
          const copy = bytes.slice();
          applyMask(copy, 0, copy.length, maskKey ?? 0);
          if (bytes.length > 0) expected.push(copy);
        } else {
          append(output, bytes);
          expected.push(bytes.slice());
        }
        waiting += bytes.length;
      } else {
        const piece = output.next();
        if (piece === undefined) {
          assertEquals(waiting, 0);
          continue;
        }
        // what is appended while a write is under way must not disturb it
        const length = random(piece.length + 1);
        const before = piece.slice(0, length);
        const late = randomBytes(random, random(100));
        append(output, late);
        expected.push(late);
        waiting += late.length - length;
        assertEquals(piece.subarray(0, length), before);
        written.push(before);
        output.written(length);
      }
      assertEquals(output.size, waiting);
    }
    for (let piece; (piece = output.next()) !== undefined;) {
      written.push(piece.slice());
      output.written(piece.length);
    }
    assertEquals(concat(written), concat(expected));
    assertEquals(output.size, 0);
  }
});

Deno.test("a burst that outgrows the small buffer leaves in one write", () => {
  const output = new Output();
  for (let i = 0; i < 1000; i++) append(output, new Uint8Array(18).fill(i));
  assertEquals(output.next()!.length, 18_000);
});

Deno.test("a large payload is written from where it is, and masked on its way without being changed", () => {
  const payload = new Uint8Array(200_000).fill(7);
  const output = new Output();
  output.push(payload, undefined);
  assertEquals(output.next()!.buffer, payload.buffer);
  output.release();
  assertEquals(output.size, 0);
  output.push(payload, 0x01020304);
  for (let piece; (piece = output.next()) !== undefined;) output.written(piece.length);
  assertEquals(payload, new Uint8Array(200_000).fill(7));
});

Deno.test("what is drained holds no buffer of the pool", () => {
  const output = new Output();
  append(output, new Uint8Array(8000));
  for (let piece; (piece = output.next()) !== undefined;) output.written(piece.length);
  assertEquals(output.tail.length, 0);
});
