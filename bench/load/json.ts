const WORDS = ["north", "valve", "amber", "delta", "quiet", "relay", "cedar", "orbit"];
const encoder = new TextEncoder();

/**
 * Something like the updates of an application, `size` bytes of JSON: each number gives another one, with the same keys
 * and other values.
 */
export function jsonBytes(number: number, size: number): Uint8Array {
  let seed = number + 1;
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
  const items = [];
  for (;;) {
    const text = JSON.stringify({ id: number, kind: "update", items, padding: "" });
    const left = size - text.length;
    if (left < 120) {
      return encoder.encode(text.replace('padding":"', `padding":"${"-".repeat(left)}`));
    }
    items.push({
      sensor: `${WORDS[random(8)]}-${WORDS[random(8)]}-${random(1000)}`,
      at: 1760000000000 + random(1e9),
      value: random(1e6) / 1000,
      valid: random(10) > 0,
    });
  }
}
