/** Where `needle` first stands in `source` from `start` on, or -1; a negative start counts from the end. */
export function indexOfNeedle(source: Uint8Array, needle: Uint8Array, start = 0): number {
  const from = start < 0 ? Math.max(source.length + start, 0) : start;
  const first = needle[0];
  if (first === undefined) return -1;
  let at = source.indexOf(first, from);
  for (; at !== -1 && at + needle.length <= source.length; at = source.indexOf(first, at + 1)) {
    let matched = 1;
    while (matched < needle.length && source[at + matched] === needle[matched]) matched++;
    if (matched === needle.length) return at;
  }
  return -1;
}
