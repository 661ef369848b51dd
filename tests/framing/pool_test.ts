import { assert, assertGreater, assertLess } from "@std/assert";

const MiB = 1024 * 1024;

/** How much memory 32 buffers of 1 MiB take, and how much of it the process still has when they are freed. */
async function taken(before: string): Promise<[filled: number, freed: number]> {
  const pool = import.meta.resolve("../../framing/pool.ts");
  const program = `
    import { keepMemory } from ${JSON.stringify(pool)};
    ${before}
    const { rss } = Deno.memoryUsage();
    const buffers = Array.from({ length: 32 }, () => new Uint8Array(${MiB}).fill(1).buffer);
    const filled = Deno.memoryUsage().rss - rss;
    for (const buffer of buffers.reverse()) buffer.transfer(0);
    console.log(JSON.stringify([filled, Deno.memoryUsage().rss - rss]));
  `;
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", program],
  }).output();
  assert(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test({
  name: "glibc gives memory back that the next messages need again, and with keepMemory keeps it",
  ignore: !Deno.build.target.endsWith("linux-gnu"), // there is no glibc
  fn: async () => {
    const [filled, freed] = await taken("");
    assertGreater(filled, 30 * MiB);
    assertLess(freed, 8 * MiB);
    const [filledToo, kept] = await taken("keepMemory();");
    assertGreater(filledToo, 30 * MiB);
    assertGreater(kept, 30 * MiB);
  },
});
