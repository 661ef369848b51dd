/** What UTF-8 is, written once more for the conformance table: Unicode table 3-7, "Well-Formed UTF-8 Byte Sequences". */

/** For each row of table 3-7, the range of each octet. */
export const WELL_FORMED: readonly (readonly (readonly [lower: number, upper: number])[])[] = [
  [[0x00, 0x7f]],
  [[0xc2, 0xdf], [0x80, 0xbf]],
  [[0xe0, 0xe0], [0xa0, 0xbf], [0x80, 0xbf]],
  [[0xe1, 0xec], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xed, 0xed], [0x80, 0x9f], [0x80, 0xbf]],
  [[0xee, 0xef], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xf0, 0xf0], [0x90, 0xbf], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xf1, 0xf3], [0x80, 0xbf], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xf4, 0xf4], [0x80, 0x8f], [0x80, 0xbf], [0x80, 0xbf]],
];

/** After how many octets it is certain that they are no UTF-8, whatever follows; `undefined` if it never is. */
export function certainAfter(octets: Uint8Array): number | undefined {
  for (let start = 0; start < octets.length;) {
    let candidates = WELL_FORMED;
    let length = 0;
    while (!candidates.some((row) => row.length === length)) {
      if (start + length === octets.length) return undefined; // it ends within a character
      const octet = octets[start + length]!;
      candidates = candidates.filter((row) => row[length]![0] <= octet && octet <= row[length]![1]);
      length++;
      if (candidates.length === 0) return start + length;
    }
    start += length;
  }
  return undefined;
}

/** The first and the last character of each row of table 3-7, in octets. */
export function corners(): Uint8Array[] {
  return WELL_FORMED.flatMap((row) => [0, 1].map((end) => Uint8Array.from(row, (r) => r[end]!)));
}

/** Every beginning of the corners that is not a whole character. */
export function beginnings(): Uint8Array[] {
  const all = corners().flatMap((octets) =>
    Array.from({ length: octets.length - 1 }, (_, at) => octets.subarray(0, at + 1))
  );
  return [...new Map(all.map((octets) => [octets.toHex(), octets])).values()];
}

/** Every octet that begins no character. */
export function noLeads(): Uint8Array[] {
  return Array.from({ length: 256 }, (_, octet) => Uint8Array.of(octet))
    .filter((octet) => certainAfter(octet) !== undefined);
}

/** Every octet that begins a character of several octets, and then a space. */
export function lonelyLeads(): Uint8Array[] {
  return Array.from({ length: 256 }, (_, octet) => octet)
    .filter((octet) => octet > 0x7f && certainAfter(Uint8Array.of(octet)) === undefined)
    .map((octet) => Uint8Array.of(octet, 0x20));
}

/** Characters whose second, third or fourth octet stands just outside its range, below or above. */
export function justOutside(): Uint8Array[] {
  return WELL_FORMED.flatMap((row) =>
    row.slice(1).flatMap((range, index) => [
      Uint8Array.from([...row.slice(0, index + 1).map((r) => r[0]), range[0] - 1]),
      Uint8Array.from([...row.slice(0, index + 1).map((r) => r[1]), range[1] + 1]),
    ])
  );
}

/** Malformed sequences that have a name, in the categories of Markus Kuhn's UTF-8 decoder stress test. */
export const MALFORMED: readonly (readonly [name: string, octets: string])[] = [
  ["overlong NUL of 2 octets", "c080"],
  ["overlong NUL of 3 octets", "e08080"],
  ["overlong NUL of 4 octets", "f0808080"],
  ["overlong NUL of 5 octets", "f880808080"],
  ["overlong NUL of 6 octets", "fc8080808080"],
  ["overlong slash of 2 octets", "c0af"],
  ["overlong slash of 3 octets", "e080af"],
  ["overlong slash of 4 octets", "f08080af"],
  ["overlong slash of 5 octets", "f8808080af"],
  ["overlong slash of 6 octets", "fc80808080af"],
  ["the highest overlong of 2 octets", "c1bf"],
  ["the highest overlong of 3 octets", "e09fbf"],
  ["the highest overlong of 4 octets", "f08fbfbf"],
  ["the highest overlong of 5 octets", "f887bfbfbf"],
  ["the highest overlong of 6 octets", "fc83bfbfbfbf"],
  ["surrogate D800", "eda080"],
  ["surrogate DB7F", "edadbf"],
  ["surrogate DB80", "edae80"],
  ["surrogate DBFF", "edafbf"],
  ["surrogate DC00", "edb080"],
  ["surrogate DF80", "edbe80"],
  ["surrogate DFFF", "edbfbf"],
  ["surrogates D800 DC00", "eda080edb080"],
  ["surrogates D800 DFFF", "eda080edbfbf"],
  ["surrogates DB7F DC00", "edadbfedb080"],
  ["surrogates DB7F DFFF", "edadbfedbfbf"],
  ["surrogates DB80 DC00", "edae80edb080"],
  ["surrogates DB80 DFFF", "edae80edbfbf"],
  ["surrogates DBFF DC00", "edafbfedb080"],
  ["surrogates DBFF DFFF", "edafbfedbfbf"],
  ["U+110000", "f4908080"],
  ["U+13FFFF", "f4bfbfbf"],
  ["U+140000", "f5808080"],
  ["U+1FFFFF", "f7bfbfbf"],
  ["U+200000, of 5 octets", "f888808080"],
  ["U+3FFFFFF, of 5 octets", "fbbfbfbfbf"],
  ["U+4000000, of 6 octets", "fc8480808080"],
  ["U+7FFFFFFF, of 6 octets", "fdbfbfbfbfbf"],
  ["two lone continuation octets", "80bf"],
  ["seven lone continuation octets", "80bf80bf80bf80"],
  ["a continuation octet too many", "c3a980"],
  ["a continuation octet too many, after 4", "f09d849e80"],
  ["a last octet missing of 2, then ASCII", "c341"],
  ["a last octet missing of 3, then ASCII", "e28241"],
  ["a last octet missing of 4, then ASCII", "f09d8441"],
  ["three incomplete sequences in a row", "c3e282f09d84"],
  ["fe fe ff ff", "fefeffff"],
  ["a byte order mark of UTF-16", "fffe"],
];
