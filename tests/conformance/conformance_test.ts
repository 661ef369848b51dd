/** The conformance table, section by section, against this library as a server and as a client: see README.md. */
import { assert, assertEquals } from "@std/assert";
import { CLOSE } from "./cases_close.ts";
import { AUTO_FRAGMENTS, FRAGMENTS } from "./cases_fragments.ts";
import { FRAMING } from "./cases_framing.ts";
import { LIMITS } from "./cases_limits.ts";
import { PINGS } from "./cases_pings.ts";
import { RESERVED_BITS, RESERVED_OPCODES } from "./cases_reserved.ts";
import { TOGETHER } from "./cases_together.ts";
import { UTF8 } from "./cases_utf8.ts";
import type { Row } from "./rows.ts";
import { runRow } from "./runner.ts";

const TABLE: readonly Row[] = [
  ...FRAMING,
  ...PINGS,
  ...RESERVED_BITS,
  ...RESERVED_OPCODES,
  ...FRAGMENTS,
  ...UTF8,
  ...CLOSE,
  ...TOGETHER,
  ...LIMITS,
  ...AUTO_FRAGMENTS,
];

/** The rows by section: "6.6.41" stands in "6.6". */
const SECTIONS = Map.groupBy(TABLE, ({ id }) => id.split(".", 2).join("."));

for (const [section, rows] of SECTIONS) {
  for (const sut of ["server", "client"] as const) {
    Deno.test(`${section} against a ${sut}: ${rows.length} rows, such as ${rows[0]!.name}`, async () => {
      const failures: string[] = [];
      const run = async (row: Row) => {
        await runRow(row, sut).catch((error) => failures.push(`${row.name}: ${error.message}`));
      };
      for (let at = 0; at < rows.length; at += 8) {
        await Promise.all(rows.slice(at, at + 8).map(run));
      }
      assert(failures.length === 0, `${failures.length} rows fail\n${failures.join("\n\n")}`);
    });
  }
}

Deno.test("no two rows of the conformance table have the same number or the same name", () => {
  for (const key of ["id", "name"] as const) {
    assertEquals(new Set(TABLE.map((row) => row[key])).size, TABLE.length, key);
  }
});
