/** The results as a table in Markdown, one row for each measure of a case. */
import { type Case, type Peer, PEERS } from "./cases.ts";
import type { Measure, Result } from "./job.ts";

/** How a measure is called, and whether more of it is better. */
export const MEASURES: Record<Measure, { unit: string; more: boolean }> = {
  rate: { unit: "messages/s", more: true },
  mb: { unit: "MB/s", more: true },
  p50: { unit: "µs, p50", more: false },
  p99: { unit: "µs, p99", more: false },
  cpu: { unit: "µs of CPU each", more: false },
  peak: { unit: "MiB at most", more: false },
  idle: { unit: "bytes/connection", more: false },
  opened: { unit: "handshakes/s", more: true },
  wire: { unit: "bytes/message", more: false },
  start: { unit: "ms", more: false },
};

/** What a ratio is of, where that is not Deno's own. */
const BASES: Partial<Record<Peer, string>> = { ws_node: "ws", raw_tcp: "raw", one_worker: "one" };

/** The results of each peer, in the order of the rounds. */
export type Results = Map<Peer, Result[]>;

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function valuesOf(results: Results, peer: Peer, measure: Measure): number[] {
  const values = results.get(peer)?.map((result) => result[measure] ?? NaN) ?? [];
  return values.filter(Number.isFinite);
}

/** The median of a peer's rounds; NaN if there is none. */
export function medianOf(results: Results, peer: Peer, measure: Measure): number {
  const values = valuesOf(results, peer, measure);
  return values.length === 0 ? NaN : median(values);
}

/** How one peer compares with another: the ratio in each round, since both then had the same weather. */
export function ratiosOf(results: Results, peer: Peer, base: Peer, measure: Measure): number[] {
  const all = results.get(peer) ?? [];
  const others = results.get(base) ?? [];
  const ratios = all.map((result, round) => result[measure]! / (others[round]?.[measure] ?? NaN));
  return ratios.filter(Number.isFinite);
}

export function format(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 10 ? 1 : 2);
}

function formatRatio(ratios: number[], range: boolean): string {
  if (ratios.length === 0) return "–";
  const most = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  return median(ratios).toFixed(2) + (range && ratios.length > 1 ? ` (${most})` : "");
}

/** Whether most of the rounds were held up by the other side: the peer can do at least this much. */
function isHeldUp(results: Results, peer: Peer): boolean {
  const all = results.get(peer)!;
  return all.filter(({ heldUp }) => heldUp).length * 2 > all.length;
}

const peers = Object.keys(PEERS) as Peer[];
const WIDTHS = [47, 18, ...peers.map(() => 15), 24, 10, 10, 10, 18];

function row(cells: string[]): string {
  return `| ${cells.map((cell, at) => cell.padEnd(WIDTHS[at]!)).join(" | ")} |`;
}

export function head(): string {
  const ratios = ["module / Deno's own", "/ Bun", "/ raw TCP", "/ floor", "floor / Deno's own"];
  const names = ["case", "", ...Object.values(PEERS), ...ratios];
  return `${row(names)}\n|${WIDTHS.map((width) => "-".repeat(width + 2)).join("|")}|`;
}

export function rows(test: Case, results: Results): string {
  const { title, group, base, measures } = test;
  return measures.map((measure, index) => {
    const cells = peers.map((peer) => {
      if (!results.get(peer)?.length) return "";
      const mark = isHeldUp(results, peer) && MEASURES[measure].more ? " †" : "";
      return format(medianOf(results, peer, measure)) + mark;
    });
    const ratio = formatRatio(ratiosOf(results, "wsconn", base, measure), true);
    return row([
      index === 0 ? `${group}: ${title}` : "",
      `${MEASURES[measure].unit} ${MEASURES[measure].more ? "↑" : "↓"}`,
      ...cells,
      BASES[base] === undefined ? ratio : `${ratio} of ${BASES[base]}`,
      formatRatio(ratiosOf(results, "wsconn", "bun", measure), false),
      formatRatio(ratiosOf(results, "wsconn", "raw_tcp", measure), false),
      formatRatio(ratiosOf(results, "wsconn", "floor", measure), false),
      formatRatio(ratiosOf(results, "floor", "deno_native", measure), false),
    ]);
  }).join("\n");
}

export const LEGEND =
  `↑ more is better, ↓ less is better; medians; ratios are the medians of those of each round, with the lowest and the
highest. † the load generator had no time left: at least that much. CPU: of what is measured, per message or handshake.
The floor is a server that does nothing but what streams cannot do without (bench/servers/floor.ts).`;
