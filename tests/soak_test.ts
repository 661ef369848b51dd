/** The soak of `deno task soak`, 30 seconds of it, and what it relies on to notice that something is wrong. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { growth, type Sample } from "../tools/soak/report.ts";
import { Traffic } from "../tools/soak/traffic.ts";
import type { WsMessage } from "../mod.ts";

Deno.test("500 connections for 30 s: nothing is lost, nothing grows, nothing is left", async () => {
  const script = new URL("../tools/soak.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, "--connections", "500", "--seconds", "30"],
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(code, 0, text);
});

function firstOf(id: number, count: number): WsMessage[] {
  const traffic = new Traffic(7, id);
  return Array.from({ length: count }, () => traffic.next());
}

Deno.test("both ends of a connection of the soak know the same messages, and no other's", () => {
  const traffic = new Traffic(7, 1);
  for (const message of firstOf(1, 1000)) traffic.take(message);
  assertEquals(traffic.count, 1000);
  assertThrows(() => new Traffic(7, 2).take(firstOf(1, 1)[0]!), Error, "due is");
  assertThrows(() => new Traffic(8, 1).take(firstOf(1, 1)[0]!), Error, "due is");
});

Deno.test("the messages of the soak are of both types, empty to hundreds of KiB, and survive UTF-8", () => {
  const messages = Array.from({ length: 40 }, (_, id) => firstOf(id, 100)).flat();
  const texts = messages.filter((message) => typeof message === "string");
  const lengths = messages.map((message) => message.length);
  assert(texts.length > 1000 && texts.length < 3000);
  assert(texts.every((text) => text.isWellFormed()));
  assertEquals(Math.min(...lengths), 0);
  assert(Math.max(...lengths) > 128 * 1024);
});

for (
  const [what, change] of [
    ["lost", (messages) => messages.splice(20, 1)],
    ["doubled", (messages) => messages.splice(20, 0, messages[20]!)],
    ["moved", (messages) => messages.splice(20, 2, messages[21]!, messages[20]!)],
    ["cut", (messages) => messages[20] = messages[20]!.slice(0, -1)],
    ["damaged", (messages) => {
      const message = messages[20]!;
      if (typeof message === "string") messages[20] = message.slice(0, -1) + "?";
      else message[message.length - 1]! ^= 1;
    }],
    ["changed in its type", (messages) => {
      const message = messages[20]!;
      messages[20] = typeof message === "string"
        ? new TextEncoder().encode(message)
        : new TextDecoder().decode(message);
    }],
  ] as [string, (messages: WsMessage[]) => void][]
) {
  Deno.test(`the soak notices a message that was ${what}`, () => {
    let changed = 0;
    for (let id = 0; id < 50; id++) {
      const messages = firstOf(id, 40);
      if (messages[20]!.length === 0) continue;
      change(messages);
      const traffic = new Traffic(7, id);
      assertThrows(() => messages.forEach((message) => traffic.take(message)), Error, "due is");
      changed++;
    }
    assert(changed > 40);
  });
}

Deno.test("the soak's judgement of memory: growth after the first third is told, noise is not", () => {
  const MiB = 1024 * 1024;
  const samples = (rss: (at: number) => number, heap = rss): Sample[] =>
    Array.from({ length: 90 }, (_, at) => ({ rss: rss(at) * MiB, heap: heap(at) * MiB }));
  assertEquals(growth(samples(() => 200)), []);
  assertEquals(growth(samples((at) => Math.min(at, 30) * 10)), []); // warming up
  assertEquals(growth(samples((at) => 400 - at)), []);
  assertEquals(growth(samples(() => 200, (at) => 50 + at % 10 * 20)), []); // garbage
  assertEquals(growth(samples((at) => 100 + 4 * at)).length, 2);
  assertEquals(growth(samples(() => 200, (at) => 50 + 3 * at)), [
    "heap has grown from 149 MiB to 239 MiB",
  ]);
});
