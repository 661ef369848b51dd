/** What is measured, on whom. */
import type { Job, Measure } from "./job.ts";

/** Whom a case is run on. */
export type Peer =
  | "wsconn"
  | "one_worker"
  | "deno_native"
  | "ws_deno"
  | "ws_node"
  | "bun"
  | "floor"
  | "raw_tcp";

export const PEERS: Record<Peer, string> = {
  wsconn: "@wsconn/ws",
  deno_native: "Deno's own",
  ws_deno: "npm ws on Deno",
  ws_node: "npm ws on Node",
  bun: "Bun",
  floor: "floor",
  raw_tcp: "raw TCP",
  one_worker: "one worker",
};

/** The groups of cases, and how their titles are to be read. */
export const GROUPS = {
  Echo: "connections × messages in flight × bytes of a message",
  TLS: "the same over TLS",
  Client:
    "the same: this module's client and others, all on one server; raw TCP is the load generator",
  "One way": "",
  Deflate: "context takeover; 1 is npm ws on Node",
  Cores: "two workers on one port, a core each; 1 is one worker",
  Handshakes: "of 5,000 connections",
  Idle: "memory of the server",
  Start: "1 is a script with nothing but Deno.listen",
};

export interface Case {
  /** For `--case`. */
  name: string;
  title: string;
  group: keyof typeof GROUPS;
  peers: readonly Peer[];
  /** Whom the others are compared with. */
  base: Peer;
  /** What is told of it; the first one is what the chart shows. */
  measures: readonly Measure[];
  job: Omit<Job, "raw" | "seconds" | "port" | "pid">;
  /** Another program than the peer's server, to see how fast it starts. */
  start?: boolean;
  /** Whether this module's server is two processes that share a port, each on a core of its own. */
  twoWorkers?: boolean;
}

const SERVERS: readonly Peer[] = ["wsconn", "deno_native", "ws_deno", "ws_node", "bun"];
const SERVERS_AND_TCP: readonly Peer[] = [...SERVERS, "raw_tcp"];
const ALL: readonly Peer[] = [...SERVERS_AND_TCP, "floor"];
/** Whom TLS is measured on. */
const SECURE = SERVERS_AND_TCP.filter((peer) => peer !== "bun");
const CLIENTS: readonly Peer[] = ["wsconn", "deno_native", "ws_deno", "raw_tcp"];

type Load = [conns: number, depth: number, size: number, type: "text" | "binary"];

function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  return size < 1 << 20 ? `${size / 1024} KiB` : `${size / 2 ** 20} MiB`;
}

/** From this size on bytes are counted rather than messages. */
const LARGE = 1 << 16;

function echo(
  group: Case["group"],
  of: Load,
  settings: Partial<Case> = {},
): Case {
  const [conns, depth, size, type] = of;
  const tls = group === "TLS";
  const measured = group === "Client" ? "client" : "server";
  const measures: Measure[] = [size < LARGE ? "rate" : "mb"];
  if (depth === 1 && size < LARGE) measures.push("p50", "p99");
  measures.push("cpu");
  const prefix = group === "Echo" ? "" : `${group.toLowerCase()}-`;
  return {
    name: `${prefix}${conns}x${depth}x${bytes(size).replace(/ |i?B/g, "")}`,
    title: `${conns.toLocaleString("en")} × ${depth.toLocaleString("en")} × ${bytes(size)} ${type}`,
    group,
    peers: group === "Client" ? CLIENTS : tls ? SECURE : ALL,
    base: "deno_native",
    measures,
    job: { mode: "echo", conns, depth, size, type, tls, measured },
    ...settings,
  };
}

function other(
  group: Case["group"],
  name: string,
  title: string,
  mode: Job["mode"],
  [conns, depth, size, type]: Load,
  settings: Pick<Case, "measures"> & Partial<Case>,
): Case {
  const job = { mode, conns, depth, size, type, tls: false, measured: "server" } as const;
  return { group, name, title, peers: SERVERS, base: "deno_native", job, ...settings };
}

/** Connections that stand still: the message is to see in the end that they live. */
function idle(conns: number): Case {
  const title = `${conns.toLocaleString("en")} idle connections`;
  return other("Idle", `idle-${conns}`, title, "idle", [conns, 1, 125, "text"], {
    peers: ALL,
    measures: ["idle"],
  });
}

/** Each message goes to 1,000 connections; so many of them at once. */
function broadcast(depth: number): Case {
  const title = `${depth} at once to 1,000 connections, 125 B text`;
  return other("One way", `broadcast-${depth}`, title, "broadcast", [1000, depth, 125, "text"], {
    measures: ["rate", "cpu"],
    peers: SERVERS_AND_TCP,
  });
}

const RATE: Pick<Case, "measures"> = { measures: ["rate", "cpu"] };
/** What the cost of many connections is compared among. */
const FEW = { ...RATE, peers: ["wsconn", "deno_native", "floor", "raw_tcp"] } as const;
/** What the second core brings. */
const TWO_WORKERS = {
  peers: ["wsconn", "one_worker"],
  base: "one_worker",
  measures: ["rate"],
  twoWorkers: true,
} as const;

export const CASES: readonly Case[] = [
  echo("Echo", [1, 1, 125, "text"]),
  echo("Echo", [1, 64, 16, "text"]),
  echo("Echo", [1, 1024, 16, "text"]),
  echo("Echo", [64, 1, 125, "text"]),
  echo("Echo", [1000, 1, 125, "text"], FEW),
  echo("Echo", [10_000, 1, 125, "text"], FEW),
  echo("Echo", [64, 16, 1024, "binary"]),
  echo("Echo", [1, 4, 1 << 16, "binary"]),
  echo("Echo", [1, 1, 1 << 20, "binary"]),
  echo("Echo", [1, 1, 1 << 24, "binary"], { measures: ["mb", "peak", "cpu"] }),
  echo("TLS", [1, 1, 125, "text"]),
  echo("TLS", [1, 64, 16, "text"]),
  echo("TLS", [1, 4, 1 << 16, "binary"]),
  echo("Client", [1, 1, 125, "text"]),
  echo("Client", [1, 64, 16, "text"]),
  echo("Client", [1, 1024, 16, "text"]),
  echo("Client", [64, 1, 125, "text"]),
  echo("Client", [64, 16, 1024, "binary"]),
  echo("Client", [1, 4, 1 << 16, "binary"]),
  echo("Client", [1, 1, 1 << 24, "binary"], { measures: ["mb", "peak", "cpu"] }),
  other("One way", "sink", "one way in, 32 B text", "sink", [1, 1, 32, "text"], {
    ...RATE,
    peers: [...SERVERS, "floor"],
  }),
  other("One way", "source", "one way out, 32 B text", "source", [1, 1, 32, "text"], RATE),
  broadcast(1),
  broadcast(16),
  other("Deflate", "deflate", "1 × 16 × 1 KiB of JSON", "deflate", [1, 16, 1024, "text"], {
    peers: ["wsconn", "ws_deno", "ws_node"],
    base: "ws_node",
    measures: ["rate", "wire", "cpu"],
  }),
  echo("Cores", [64, 1, 125, "text"], TWO_WORKERS),
  other("Cores", "cores-deflate", "32 × 4 × 1 KiB of JSON, deflate", "deflate", [
    32,
    4,
    1024,
    "text",
  ], TWO_WORKERS),
  other("Handshakes", "handshakes", "64 at once", "idle", [5000, 1, 125, "text"], {
    peers: ALL,
    measures: ["opened", "cpu"],
  }),
  idle(5000),
  idle(10_000),
  other("Start", "start", "deno run … to listening", "echo", [1, 1, 1, "text"], {
    peers: ["wsconn", "deno_native", "raw_tcp"],
    base: "raw_tcp",
    measures: ["start"],
    start: true,
  }),
];
