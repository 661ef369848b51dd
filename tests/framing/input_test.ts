import { assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import { encodeFrame, Opcode } from "../../framing/frame.ts";
import { Input } from "../../framing/input.ts";
import {
  LARGE_BUFFER as LARGE,
  largeBuffers,
  MEDIUM_BUFFER as MEDIUM,
} from "../../framing/pool.ts";
import { randomBytes, seeded } from "../helpers/bytes.ts";

const IDLE = 1024;

/** A read that brings `length` bytes, all of which are decoded. */
function read(input: Input, length: number): number {
  const room = input.space().length;
  input.received(length);
  input.start = input.end;
  return room;
}

Deno.test("an idle connection pins 1 KiB, a busy one a large buffer, and gives it back", () => {
  const input = new Input();
  assertEquals(read(input, 100), IDLE);
  assertEquals(read(input, IDLE), IDLE); // fills it
  assertEquals(read(input, 384), LARGE); // the rest of a burst
  assertEquals(read(input, 1408), LARGE); // the next burst
  assertEquals(read(input, 10), LARGE);
  assertEquals(read(input, 10), LARGE);
  assertEquals(read(input, 10), IDLE); // twice as little as the small one takes
  input.release();
});

Deno.test("where large buffers are scarce, a medium one is tried first, and a connection waits with a small one", () => {
  const taken = Array.from({ length: 200 }, () => largeBuffers.take());
  const input = new Input();
  read(input, IDLE);
  assertEquals(read(input, MEDIUM - 1), MEDIUM);
  assertEquals(read(input, IDLE), IDLE);
  assertEquals(read(input, MEDIUM), MEDIUM);
  assertEquals(read(input, LARGE), LARGE);
  assertEquals(read(input, LARGE - 1), LARGE);
  assertEquals(read(input, 10), IDLE);
  taken.forEach((buffer) => largeBuffers.give(buffer));
  input.release();
});

Deno.test("messages that are read past the input let it keep a large buffer, but not where these are scarce", () => {
  for (const [others, waitsWith] of [[0, LARGE], [200, IDLE]] as const) {
    const taken = Array.from({ length: others }, () => largeBuffers.take());
    const input = new Input();
    for (const length of [IDLE, LARGE]) { // the longest reads that begin a message
      read(input, Math.min(length, input.space().length));
      input.passedBy = true;
      assertEquals(input.space().length, waitsWith);
    }
    taken.forEach((buffer) => largeBuffers.give(buffer));
    input.release();
  }
});

Deno.test("what is not decoded stays, whatever buffer it moves to; all buffers come back", () => {
  const random = seeded(12);
  const before = largeBuffers.lent;
  const input = new Input();
  const sent = randomBytes(random, 300_000);
  let arrived = 0, decoded = 0;
  while (decoded < sent.length) {
    const space = input.space();
    const length = Math.min(random(3) === 0 ? space.length : random(2000), space.length);
    const piece = sent.subarray(arrived, arrived + length);
    space.set(piece);
    input.received(piece.length);
    arrived += piece.length;
    const left = arrived === sent.length ? 0 : random(14);
    const until = Math.max(input.start, input.end - left);
    assertEquals(
      input.bytes.subarray(input.start, until),
      sent.subarray(decoded, decoded + until - input.start),
    );
    decoded += until - input.start;
    input.start = until;
  }
  input.release();
  assertEquals(largeBuffers.lent, before);
});

Deno.test("copies of many small messages of one read share a block, that of the last or a long one is its own", () => {
  const lengths = [100, 5000, 100, 50_000, 3000, 100, 1700];
  for (const masked of [false, true]) {
    const random = seeded(13);
    const sent = lengths.map((length) => randomBytes(random, length));
    const keys = lengths.map(() => masked ? random(2 ** 32) : undefined);
    const frames = sent.map((bytes, i) => encodeFrame(Opcode.Binary, bytes, { maskKey: keys[i] }));
    const input = new Input();
    read(input, IDLE);
    input.space().set(concat(frames));
    input.received(concat(frames).length);
    const copies = frames.map((frame, i) => {
      input.start += frame.length;
      return input.copy(input.start - lengths[i]!, input.start, keys[i]);
    });
    input.space().fill(0); // they are copies
    assertEquals(copies, sent);
    const header = masked ? 8 : 4;
    assertEquals(copies.map(({ buffer }) => buffer.byteLength), [
      ...[32768, 32768, 32768], // as much as is shared at most
      50_000,
      3000, // more than half of what is left
      ...[100 + header + 1700, 100 + header + 1700], // all that is left
    ]);
    input.release();
  }
});

Deno.test("no copy lies in the block of another read", () => {
  const input = new Input();
  read(input, IDLE);
  const random = seeded(14);
  for (const [before, length] of [[9000, 200], [300, 400], [0, 100], [9100, 50]] as const) {
    const bytes = randomBytes(random, before + 3 * length);
    input.space().set(bytes);
    input.received(bytes.length);
    input.start += before;
    for (let i = 0; i < 3; i++) {
      const copy = input.copy(input.start, input.start + length, undefined);
      const at = before + i * length;
      assertEquals(copy, bytes.subarray(at, at + length));
      input.start += length;
    }
  }
  input.release();
});
