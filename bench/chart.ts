/** The results as a chart: how many times better each peer is than Deno's own WebSocket, on a logarithmic scale. */
import { type Case, GROUPS, type Peer, PEERS } from "./cases.ts";
import { format, MEASURES, median, medianOf, ratiosOf, type Results } from "./report.ts";

const WIDTH = 900;
const ROW = 24;
const GAP = 26; // above a group, with its name
const TOP = 92;
const LEFT = 250;
const RIGHT = 650;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];

const STYLE = `
  svg { --paper: #fff; --ink: #1f2328; --faint: #656d76; --line: #d8dee4; --bar: #0969da; --mark: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #8d96a0; --line: #30363d; --bar: #4493f8; --mark: #f0883e; }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink); stroke: var(--paper); stroke-width: 3px; paint-order: stroke; }
  .title { font-size: 17px; font-weight: 600; }
  .group { font-weight: 600; }
  .faint { fill: var(--faint); font-size: 12px; }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  .paper { fill: var(--paper); }
  .bar { fill: var(--bar); }
  .mark { fill: var(--paper); stroke: var(--mark); stroke-width: 1.6; }
  .line { stroke: var(--line); }
  .one { stroke: var(--ink); }`;

/** The shapes of the peers that are not bars, around a point. */
const MARKS: Partial<Record<Peer, (x: number, y: number) => string>> = {
  ws_deno: (x, y) => `<rect class="mark" x="${x - 3.5}" y="${y - 3.5}" width="7" height="7"/>`,
  ws_node: (x, y) => `<path class="mark" d="M${x} ${y - 5}l5 9h-10z"/>`,
  bun: (x, y) => `<path class="mark" d="M${x} ${y - 5}l5 5-5 5-5-5z"/>`,
  floor: (x, y) => `<path class="mark" d="M${x} ${y - 7}v14"/>`,
  raw_tcp: (x, y) => `<circle class="mark" cx="${x}" cy="${y}" r="4"/>`,
};

function text(x: number, y: number, content: string, style = ""): string {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${x}" y="${y}"${style && ` class="${style}"`}>${escaped}</text>`;
}

/** How many times better a peer is than what the case compares with. */
function timesBetter({ base, measures }: Case, results: Results, peer: Peer): number {
  const [measure] = measures;
  const ratios = ratiosOf(results, peer, base, measure!);
  const ratio = ratios.length === 0 ? NaN : median(ratios);
  return MEASURES[measure!].more ? ratio : 1 / ratio;
}

/** The range of the ratios, whole ticks. */
function rangeOf(all: Map<Case, Results>): [number, number] {
  const ratios = [...all].flatMap(([test, results]) =>
    [...results.keys()].map((peer) => timesBetter(test, results, peer)).filter(Number.isFinite)
  );
  const low = Math.min(0.5, ...ratios);
  const high = Math.max(2, ...ratios);
  return [TICKS.findLast((tick) => tick <= low) ?? low, TICKS.find((tick) => tick >= high) ?? high];
}

/** An SVG for light and dark pages. */
export function chart(all: Map<Case, Results>, note: string): string {
  const [low, high] = rangeOf(all);
  const xOf = (ratio: number) => {
    const share = Math.log(ratio / low) / Math.log(high / low);
    return Math.round(10 * (LEFT + share * (RIGHT - LEFT))) / 10;
  };
  const rows: string[] = [];
  let y = TOP;
  let group = "";
  for (const [test, results] of all) {
    if (test.group !== group) {
      group = test.group;
      y += GAP;
      rows.push(text(16, y - 8, group, "group"));
      rows.push(text(28 + 8 * group.length, y - 8, GROUPS[test.group], "faint"));
    }
    rows.push(...rowOf(test, results, y, xOf));
    y += ROW;
  }
  const height = y + 36;
  const grid = TICKS.filter((tick) => tick >= low && tick <= high).flatMap((tick) => [
    `<path class="${tick === 1 ? "one" : "line"}" d="M${xOf(tick)} ${TOP}V${y}"/>`,
    text(xOf(tick), TOP - 6, tick === 1 ? "1" : `${tick}×`, "faint middle"),
  ]);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t">
<title id="t">@wsconn/ws and other WebSockets, compared with Deno's own</title>
<style>${STYLE}
</style>
<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>
${text(16, 30, "How many times better than Deno's own WebSocket", "title")}
${legend()}
${grid.join("\n")}
${rows.join("\n")}
${text(16, height - 12, note, "faint")}
</svg>
`;
}

function legend(): string {
  let x = 16;
  const parts = [`<rect class="bar" x="${x}" y="46" width="18" height="10" rx="2"/>`];
  for (const [peer, name] of Object.entries(PEERS) as [Peer, string][]) {
    const mark = MARKS[peer];
    if (peer !== "wsconn" && mark === undefined) continue; // that is the line at 1
    if (mark !== undefined) parts.push(mark(x + 13, 51));
    parts.push(text(x + 24, 55, name));
    x += 50 + name.length * 7;
  }
  parts.push(text(RIGHT, 55, "better →", "faint end"));
  return parts.join("\n");
}

function rowOf(
  test: Case,
  results: Results,
  y: number,
  xOf: (ratio: number) => number,
): string[] {
  const [measure] = test.measures;
  const middle = y + ROW / 2;
  const parts = [text(16, middle + 4, test.title)];
  const ratio = timesBetter(test, results, "wsconn");
  if (Number.isFinite(ratio)) {
    const [from, to] = [xOf(1), xOf(ratio)].toSorted((a, b) => a - b) as [number, number];
    const size = `width="${Math.max(2, to - from).toFixed(1)}" height="12"`;
    parts.push(`<rect class="bar" x="${from}" y="${middle - 6}" ${size} rx="2"/>`);
    const value = format(medianOf(results, "wsconn", measure!));
    parts.push(text(RIGHT + 14, middle + 4, `${ratio.toFixed(2)}×`));
    parts.push(text(WIDTH - 12, middle + 4, `${value} ${MEASURES[measure!].unit}`, "faint end"));
  }
  for (const [peer, mark] of Object.entries(MARKS) as [Peer, NonNullable<typeof MARKS[Peer]>][]) {
    const other = timesBetter(test, results, peer);
    if (Number.isFinite(other)) parts.push(mark(xOf(other), middle));
  }
  return parts;
}
