/** The share of the fuzzer that every run of the suite takes: the same inputs each time. `deno task fuzz` tries others. */
import { fail } from "@std/assert";
import { report, tryOne } from "./fuzz.ts";
import { TARGETS, turns } from "./targets.ts";

const EACH = 20_000 / turns(TARGETS).length;

for (const target of TARGETS) {
  const inputs = Math.ceil(EACH * target.share);
  Deno.test(`${inputs} random inputs to ${target.name} do what a naive decoder says`, async () => {
    for (let seed = 0; seed < inputs; seed++) {
      const find = await tryOne(target, seed);
      if (find !== undefined) fail(report(find));
    }
  });
}
