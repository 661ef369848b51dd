import { assert, assertGreater } from "@std/assert";

/** `[label](path)`, where the path is that of a test. */
const LINK = /\[([^\]]+)\]\((?:\.\.\/)?(tests\/[^)]+)\)/g;

for (const page of ["README.md", "docs/reliability.md"]) {
  Deno.test(`${page}: every test that it names is there`, async () => {
    const root = new URL("../", import.meta.url);
    const links = [...(await Deno.readTextFile(new URL(page, root))).matchAll(LINK)];
    assertGreater(links.length, 10);
    for (const [, label, path] of links) {
      const [name] = label!.split("…");
      const test = await Deno.readTextFile(new URL(path!, root));
      assert(test.includes(name!.trim()), `${path} has no test "${label}"`);
    }
  });
}
