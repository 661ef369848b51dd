/**
 * Side by side: this module, Deno's own WebSocket, npm ws on Deno and on Node, and the same bytes over raw TCP. Each case
 * runs on each of them in turn, in processes of their own, several rounds of it: the machine's mood cancels out.
 *
 *     deno task bench [--case NAME]… [--rounds 5] [--seconds 1] [--quick] [--list] [--chart FILE]
 *         [--wait 120]
 *
 * A measurement that others disturb is repeated; `--wait` is how long, in all, the bench may wait for a quiet machine.
 */
import { parseArgs } from "node:util";
import { type Case, CASES, PEERS } from "./cases.ts";
import { chart } from "./chart.ts";
import { head, LEGEND, type Results, rows } from "./report.ts";
import { Quiet } from "./quiet.ts";
import { measure, missing } from "./runner.ts";

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    case: { type: "string", multiple: true, default: [] },
    rounds: { type: "string" },
    seconds: { type: "string" },
    quick: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    chart: { type: "string" },
    wait: { type: "string", default: "120" },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 0.3 : 1));

const quiet = new Quiet(options.quick ? 0 : Number(options.wait));

/** A case is chosen by its name, or by what several names begin with. */
function isChosen({ name }: Case): boolean {
  return options.case.length === 0 || options.case.some((part) => name.startsWith(part));
}

async function run(test: Case): Promise<Results> {
  const peers = test.peers.filter((peer) => !missing.has(peer));
  const results: Results = new Map(peers.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      try {
        results.get(peer)!.push(await quiet.measure(() => measure(test, peer, seconds)));
      } catch (error) {
        console.error(`${test.name} failed on ${peer}: ${(error as Error).message}`);
        results.get(peer)!.push({}); // a round without a result
      }
    }
  }
  return results;
}

if (options.list) {
  for (const { name, group, title } of CASES) console.log(`${name.padEnd(20)} ${group}: ${title}`);
  Deno.exit();
}

const chosen = CASES.filter(isChosen);
if (chosen.length === 0) throw new Error("There is no such case: see --list");
for (const [peer, why] of missing) console.log(`${PEERS[peer]} is left out: ${why}`);
console.log(`${rounds} rounds of ${seconds} s, interleaved\n\n${head()}`);
const all = new Map<Case, Results>();
for (const test of chosen) {
  const results = await run(test);
  all.set(test, results);
  console.log(rows(test, results));
}
console.log(`\n${LEGEND}`);
if (quiet.disturbed > 0) {
  console.log(`Others kept the machine busy in ${quiet.disturbed} measurements`);
}

const complete = chosen.length === CASES.length && !options.quick;
const file = options.chart ??
  (complete ? new URL("../docs/bench.svg", import.meta.url) : undefined);
if (file !== undefined) {
  const note =
    `deno task bench, Deno ${Deno.version.deno}: medians of ${rounds} rounds of ${seconds} s`;
  await Deno.writeTextFile(file, chart(all, note));
}
