// What is sent over every compressed connection, from either runtime: messages of all sizes that repeat what was sent
// before, near and far, so that a window or a context that the two sides do not share shows.

/** Some words, in an order that is the same in every run. */
function words(count) {
  let seed = 1;
  const parts = [];
  for (let i = 0; i < count; i++) {
    seed = Math.imul(seed, 1103515245) + 12345 | 0;
    parts.push(`${(seed >>> 8 & 0xfff).toString(36)}é`);
  }
  return parts.join(" ");
}

const text = words(20_000);
const large = text.repeat(Math.ceil(400_000 / text.length));
const encode = (string) => new TextEncoder().encode(string);

/** Strings and bytes; those that begin with "!" are to be echoed in fragments. */
export const messages = [
  "small",
  text.slice(0, 1024),
  text.slice(0, 1024), // the same again
  text.slice(300, 3000), // within 9 bits, and further back
  encode(text.slice(1000, 6000)),
  "",
  new Uint8Array(0),
  `!${text.slice(2000, 2600)}`,
  "uncompressed",
  encode(text.slice(0, 40_000)),
  `!${text.slice(0, 100_000)}`,
  text.slice(20_000, 60_000),
];

/** Sent on some connections only: some 1 MiB. */
export const largeMessages = [
  large.repeat(2).slice(0, 600_000),
  encode(large).subarray(0, 1 << 20),
];

/** The length of all of them on the wire if nothing were compressed. */
export function lengthOf(list) {
  return list.reduce(
    (sum, message) => sum + (typeof message === "string" ? encode(message).length : message.length),
    0,
  );
}

export function same(a, b) {
  if (typeof a === "string" || typeof b === "string") return a === b;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** A text in five pieces. */
export function pieces(string) {
  const size = Math.ceil(string.length / 5);
  return [0, 1, 2, 3, 4].map((at) => string.slice(at * size, (at + 1) * size));
}
