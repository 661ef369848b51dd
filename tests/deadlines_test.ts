import { assert, assertEquals } from "@std/assert";
import { Deadlines } from "../deadlines.ts";

Deno.test("each has the whole of its time, with one timer for all", async () => {
  const deadlines = new Deadlines(60);
  const began = performance.now();
  const passed: [name: string, after: number][] = [];
  const all = Promise.withResolvers<void>();
  const timed = (name: string) => ({
    timeUp: () => {
      passed.push([name, performance.now() - began]);
      if (passed.length === 2) all.resolve();
    },
  });
  const [first, inTime, last] = [timed("first"), timed("in time"), timed("last")];
  deadlines.begin(first);
  deadlines.begin(inTime);
  await new Promise((resolve) => setTimeout(resolve, 30));
  deadlines.begin(last);
  deadlines.end(inTime);
  await all.promise;
  assertEquals(passed.map(([name]) => name), ["first", "last"]);
  assert(passed[0]![1] >= 59, `first after ${passed[0]![1]} ms`);
  assert(passed[1]![1] >= 89, `last after ${passed[1]![1]} ms`);
});

Deno.test("nothing waits once all were in time", () => {
  const deadlines = new Deadlines(1000);
  const timed = { timeUp: () => {} };
  deadlines.begin(timed);
  deadlines.end(timed);
  deadlines.end(timed); // the leak sanitizer sees a timer that is left
});
