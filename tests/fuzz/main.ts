/**
 * Feeds random and damaged bytes to the framings and the opening handshakes, and compares what comes of them with naive
 * decoders: `deno task fuzz`. Ends with 1 at the first find, or if fewer inputs than asked for were tried in the time.
 *
 * --inputs 1000000   how many inputs
 * --minutes 10       how long at most
 * --seed             a number that all inputs follow from; a fresh one if it is not given
 * --target           which target alone
 */
import { parseArgs } from "node:util";
import { report, tryOne } from "./fuzz.ts";
import { TARGETS, turns } from "./targets.ts";

/** More than this and something holds what it should not. */
const MAX_RSS = 768 * 2 ** 20;
const MIB = 2 ** 20;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(crypto.getRandomValues(new Uint32Array(1))[0]) },
    inputs: { type: "string", default: "1000000" },
    minutes: { type: "string", default: "10" },
    target: { type: "string" },
  },
});
const [seed, inputs, minutes] = [values.seed, values.inputs, values.minutes].map(Number) as [
  number,
  number,
  number,
];
const targets = TARGETS.filter(({ name }) => name === (values.target ?? name));
if (targets.length === 0 || [seed, inputs, minutes].some(Number.isNaN)) {
  console.error(`Targets are ${TARGETS.map(({ name }) => name).join(", ")}; the rest are numbers`);
  Deno.exit(2);
}

console.log(`${inputs} inputs for ${targets.map(({ name }) => name).join(", ")}; seed ${seed}`);
const start = performance.now();
let rss = 0;

/** Says how far it has come; returns the seconds that have passed. */
function progress(tried: number): number {
  rss = Math.max(rss, Deno.memoryUsage().rss);
  const seconds = (performance.now() - start) / 1000;
  const rate = Math.round(tried / seconds);
  const memory = Math.round(rss / MIB);
  console.log(
    `${tried} inputs in ${seconds.toFixed(1)} s: ${rate}/s, at most ${memory} MiB resident`,
  );
  if (rss > MAX_RSS) {
    console.error(`Memory is not bounded: ${memory} MiB resident, ${MAX_RSS / MIB} are the most`);
    Deno.exit(1);
  }
  return seconds;
}

const order = turns(targets);
let tried = 0;
let nextReport = 10_000;
for (; tried < inputs; tried++) {
  if (tried % 64 === 0) {
    const passed = performance.now() - start;
    if (passed > minutes * 60_000) break;
    if (passed > nextReport) {
      progress(tried);
      nextReport += 10_000;
    }
  }
  const trying = tryOne(order[tried % order.length]!, (seed + tried) % 2 ** 32);
  const find = trying && await trying; // most are done already, and to wait takes time
  if (find !== undefined) {
    console.error(report(find));
    console.error(
      `${tried + 1} inputs were tried. It becomes an entry of tests/fuzz/regressions_test.ts`,
    );
    Deno.exit(1);
  }
}
progress(tried);
if (tried < inputs) {
  console.error(`Only ${tried} of ${inputs} inputs were tried in ${minutes} minutes`);
  Deno.exit(1);
}
