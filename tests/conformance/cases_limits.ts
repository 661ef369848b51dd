/** Category 9: large messages, whole, in fragments and in chops, and many small ones. */
import { answers, binary, type Case, fragments, numbered, pieces, type Row, text } from "./rows.ts";
import { mixedText, noise } from "./payloads.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const KINDS = [["text", text, mixedText], ["binary", binary, noise]] as const;

function nameOf(size: number): string {
  return size >= MIB ? `${size / MIB} MiB` : size >= KIB ? `${size / KIB} KiB` : `${size} octets`;
}

function inOneFrame(): Case[] {
  return KINDS.flatMap(([kind, make, payload]) =>
    [64 * KIB, 256 * KIB, MIB, 4 * MIB].map((size) => {
      const message = make(payload(size));
      return answers(`${kind} of ${nameOf(size)} in one frame`, "§5.2", [message], [message], {
        chops: ["whole"],
      });
    })
  );
}

function inFragments(): Case[] {
  return KINDS.flatMap(([kind, make, payload]) =>
    [64, KIB, 16 * KIB, 64 * KIB, 256 * KIB].map((size) => {
      const whole = size < 64 * KIB ? MIB : 4 * MIB;
      const octets = payload(whole);
      return answers(
        `${kind} of ${nameOf(whole)} in fragments of ${nameOf(size)}`,
        "§5.4",
        fragments(make(), pieces(octets, size)),
        [make(octets)],
        { chops: ["whole"] },
      );
    })
  );
}

function inChops(): Case[] {
  return KINDS.flatMap(([kind, make, payload]) =>
    [64, 128, 256, 512, KIB, 2 * KIB, 4 * KIB, 16 * KIB, 64 * KIB].map((chop) => {
      const size = Math.max(64 * KIB, 64 * chop);
      const message = make(payload(size));
      return answers(
        `${kind} of ${nameOf(size)} that arrives in chops of ${nameOf(chop)}`,
        "§5.2",
        [message],
        [message],
        { chops: [chop] },
      );
    })
  );
}

function manyMessages(): Case[] {
  return KINDS.flatMap(([kind, make, payload]) =>
    [0, 16, 64, 256, KIB, 4 * KIB].map((size) => {
      const messages = Array.from({ length: 1000 }, () => make(payload(size)));
      return answers(
        `1000 messages of ${kind}, of ${nameOf(size)} each`,
        "§5.4",
        messages,
        messages,
        { chops: ["whole"] },
      );
    })
  );
}

/** Category 9 of the table. */
export const LIMITS: Row[] = [
  ...numbered("9.1", inOneFrame()),
  ...numbered("9.2", inFragments()),
  ...numbered("9.3", inChops()),
  ...numbered("9.4", manyMessages()),
];
