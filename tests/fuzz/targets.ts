/** All that is under fuzz. A further target is one more entry of {@linkcode TARGETS}. */
import { checkExtensions, type ExtensionsSetup } from "./extensions_target.ts";
import type { Streamed } from "./framing_runs.ts";
import {
  checkDeflate,
  checkHixie,
  checkRfc6455,
  type DeflateSetup,
  type Direction,
  type HixieSetup,
  type Rfc6455Setup,
} from "./framing_targets.ts";
import { frames, hixieFrames } from "./generate.ts";
import { deflateFrames } from "./generate_deflate.ts";
import { extensions } from "./generate_extensions.ts";
import { body, request, response } from "./generate_http.ts";
import {
  type BodySetup,
  checkBodyBytes,
  checkRequestBytes,
  checkResponseBytes,
  type HandshakeSetup,
} from "./handshake_targets.ts";
import { between, once, pick, type Random } from "./random.ts";

/** One thing under fuzz. */
export interface Target {
  readonly name: string;
  /** How many of the inputs are for it, in proportion: so that a slow one does not take the time of all others. */
  readonly share: number;
  /** Makes the case that `random` stands for. */
  make(random: Random): Case;
}

/** An input, and what it is tried on. */
export interface Case {
  readonly input: Uint8Array;
  /** How the thing is set up: what a regression test has to repeat. */
  readonly setup: unknown;
  /** Tries this input, or a smaller one; returns what is wrong with the result, if anything is, or a promise of that. */
  check(input: Uint8Array): Difference | Promise<Difference>;
}

/** How a result differs from what it must be, if it does. */
export type Difference = string | undefined;

/** The share of a target that takes some 0.1 ms an input, and that of one which waits for zlib and takes 2 ms. */
const FAST = 8, SLOW = 4;

function target<S>(
  name: string,
  check: (setup: S, input: Uint8Array) => Difference | Promise<Difference>,
  make: (random: Random) => { setup: S; input: Uint8Array },
  share = FAST,
): Target {
  return {
    name,
    share,
    make: (random) => {
      const { setup, input } = make(random);
      return { setup, input, check: (input) => check(setup, input) };
    },
  };
}

/** Mostly a limit that inputs can reach; seldom one so high that long frames are taken, or any. */
function someLimit(random: Random): number {
  if (once(random, 40)) return 70_000;
  if (once(random, 20)) return 2 ** 40;
  return pick(random, [0, 16, 125, 126, 1000, 4096, 4096, 4096]);
}

/** Mostly never; otherwise before the first byte or somewhere among the next. */
function someClose(random: Random): number {
  if (!once(random, 5)) return Infinity;
  return once(random, 3) ? 0 : random(200);
}

/** Mostly no message is taken piece by piece. */
function streaming(random: Random, ways: Streamed[]): { streamed?: Streamed } {
  return once(random, 4) ? { streamed: pick(random, ways) } : {};
}

function rfc6455(role: "client" | "server"): Target {
  return target<Rfc6455Setup>(`rfc6455-${role}`, checkRfc6455, (random) => {
    const maxMessageSize = someLimit(random);
    const closeAt = someClose(random);
    return {
      setup: {
        role,
        maxMessageSize,
        closeAt,
        ...streaming(random, ["all", "long"]),
        splitSeed: random(2 ** 32),
      },
      input: frames(random, { masked: role === "server", limit: maxMessageSize }),
    };
  });
}

function direction(random: Random): Direction {
  return {
    windowBits: pick(random, [8, 8, 9, 9, 10, 12, 15, 15]),
    noContextTakeover: once(random, 4),
  };
}

const deflate = target<DeflateSetup>("deflate", checkDeflate, (random) => {
  const role = pick(random, ["server", "client"] as const);
  const maxMessageSize = pick(random, [0, 16, 200, 1000, 4096, 4096, 4096, 70_000]);
  const incoming = direction(random);
  const setup: DeflateSetup = {
    role,
    maxMessageSize,
    closeAt: someClose(random),
    ...streaming(random, ["all", "long"]),
    splitSeed: random(2 ** 32),
    deflate: {
      incoming,
      outgoing: direction(random),
      threshold: pick(random, [0, 0, 20]),
      level: random(10),
      memLevel: between(random, 1, 9),
    },
    ...(once(random, 6) ? { torn: true } : {}),
  };
  const masked = role === "server";
  return { setup, input: deflateFrames(random, { masked, limit: maxMessageSize, ...incoming }) };
}, SLOW);

function hixie(version: "hixie-75" | "hixie-76", mode: "old" | "new"): Target {
  return target<HixieSetup>(`${version}-${mode}`, checkHixie, (random) => {
    const maxMessageSize = someLimit(random);
    const [closeAt, ended] = [someClose(random), once(random, 2)];
    const setup = { version, mode, maxMessageSize, closeAt, ended, splitSeed: random(2 ** 32) };
    return {
      // in the new framing what is too long to gather waits from its first byte on, not from its length
      setup: { ...setup, ...streaming(random, mode === "new" ? ["all"] : ["all", "long"]) },
      input: hixieFrames(random, mode, maxMessageSize),
    };
  });
}

function handshake(
  name: string,
  check: (setup: HandshakeSetup, input: Uint8Array) => Difference,
  make: (random: Random) => Uint8Array,
): Target {
  return target(name, check, (random) => ({
    setup: { splitSeed: random(2 ** 32) },
    input: make(random),
  }));
}

/** All that is under fuzz. */
export const TARGETS: readonly Target[] = [
  rfc6455("server"),
  rfc6455("client"),
  deflate,
  hixie("hixie-76", "old"),
  hixie("hixie-76", "new"),
  hixie("hixie-75", "old"),
  hixie("hixie-75", "new"),
  handshake("request", checkRequestBytes, request),
  handshake("response", checkResponseBytes, response),
  target<BodySetup>("body", checkBodyBytes, (random) => {
    const { fields, bytes } = body(random);
    const setup = { fields, isResponse: once(random, 2), splitSeed: random(2 ** 32) };
    return { setup, input: bytes };
  }),
  target<ExtensionsSetup>("extensions", checkExtensions, (random) => {
    const role = pick(random, ["server", "client"] as const);
    const settings = {
      serverNoContextTakeover: once(random, 3),
      clientNoContextTakeover: once(random, 3),
      serverMaxWindowBits: once(random, 2) ? 15 : between(random, 8, 15),
      clientMaxWindowBits: once(random, 2) ? 15 : between(random, 8, 15),
      threshold: 0,
      level: 6,
      memLevel: 8,
    };
    return { setup: { role, settings }, input: extensions(random, role === "client") };
  }),
];

/** The targets in the order in which they take their turns: each as often as is its share. */
export function turns(targets: readonly Target[]): Target[] {
  return targets.flatMap((target) => new Array<Target>(target.share).fill(target));
}
