/** Runs targets: what the command and the fixed share in the test suite have in common. */
import { concat } from "@std/bytes";
import { seeded } from "./random.ts";
import type { Case, Difference, Target } from "./targets.ts";

/** An input on which the library does something else than it must. */
export interface Find {
  target: string;
  seed: number;
  setup: unknown;
  /** The smallest input found that shows it. */
  input: Uint8Array;
  /** What is wrong with the result. */
  difference: string;
}

/** Makes the case of a seed and tries it. A promise is returned only if there is, or may be, a find. */
export function tryOne(target: Target, seed: number): Promise<Find | undefined> | undefined {
  const made = target.make(seeded(seed));
  const difference = made.check(made.input);
  return difference === undefined ? undefined : lookInto(target, seed, made, difference);
}

async function lookInto(
  target: Target,
  seed: number,
  made: Case,
  checked: Difference | Promise<Difference>,
): Promise<Find | undefined> {
  const difference = await checked;
  if (difference === undefined) return undefined;
  const input = await minimise(made);
  return {
    target: target.name,
    seed,
    setup: made.setup,
    input,
    difference: await made.check(input) ?? difference,
  };
}

/** How many bytes the search for a smaller input may try in all, and for how many milliseconds: it shall take seconds. */
const MINIMISING = 4 * 2 ** 20, PATIENCE = 60_000;

/** Leaves out parts of an input, smaller and smaller ones, as long as something is still wrong with the result. */
async function minimise({ input, check }: Case): Promise<Uint8Array> {
  const start = performance.now();
  let left = MINIMISING;
  for (let length = input.length; length >= 1; length = Math.floor(length / 2)) {
    for (let at = 0; at < input.length && left > 0;) {
      if (performance.now() - start > PATIENCE) return input;
      left -= input.length;
      const smaller = concat([input.subarray(0, at), input.subarray(at + length)]);
      if (await check(smaller) !== undefined) input = smaller;
      else at += length;
    }
  }
  return input;
}

/** A find as it is reported: all that it takes to see it again. */
export function report({ target, seed, setup, input, difference }: Find): string {
  return [
    `Found by ${target}, seed ${seed}: deno task fuzz --target ${target} --seed ${seed} --inputs 1`,
    `setup: ${Deno.inspect(setup, { compact: true, breakLength: Infinity })}`,
    `input, ${input.length} bytes: ${input.toHex()}`,
    difference,
  ].join("\n");
}
