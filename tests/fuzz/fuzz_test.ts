/** The share of the fuzzer that every run of the suite takes: the same inputs each time. `deno task fuzz` tries others. */
import { fail } from "@std/assert";
import { report, tryOne } from "./fuzz.ts";
import { TARGETS } from "./targets.ts";

const INPUTS = Math.ceil(20_000 / TARGETS.length);

for (const target of TARGETS) {
  Deno.test(`${INPUTS} random inputs to ${target.name} do what a naive decoder says`, () => {
    for (let seed = 0; seed < INPUTS; seed++) {
      const find = tryOne(target, seed);
      if (find !== undefined) fail(report(find));
    }
  });
}
