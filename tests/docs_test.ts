import { assert, assertGreater, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** `[label](target)`; of a test, the label is its name, or parts of it with "…" between them. */
const LINK = /\[([^\]]+)\]\(([^)\s]+)\)/g;

/** Pages on which the tests are the point. */
const WITH_TESTS = ["docs/reliability.md", "docs/comparison.md", "docs/from_racket.md"];

/** The pages of a folder, and of those in it. */
function* pages(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) yield* pages(`${folder}${name}/`);
    else if (name.endsWith(".md")) yield folder + name;
  }
}

for (const page of ["README.md", ...pages("docs/")]) {
  Deno.test(`${page}: every test that it names is there, and every file that it leads to`, async () => {
    const text = await Deno.readTextFile(new URL(page, ROOT));
    let tests = 0;
    for (const [, label, target] of text.replaceAll(/^```.*?^```/gms, "").matchAll(LINK)) {
      if (URL.canParse(target!)) continue; // somebody else's
      const file = new URL(target!.replace(/#.*/, ""), new URL(page, ROOT));
      if (!/\/tests\/.*\.ts$/.test(file.pathname) || /\.ts`?$/.test(label!)) {
        await Deno.stat(file); // throws, and says which
        continue;
      }
      tests++;
      const source = await Deno.readTextFile(file);
      const parts = label!.split("…").map((part) => part.trim());
      assert(
        parts.join("") !== "" && parts.every((part) => source.includes(part)),
        `${target} has no test "${label}"`,
      );
    }
    if (WITH_TESTS.includes(page)) assertGreater(tests, 10);
  });
}

Deno.test("docs/comparison.md: every yes of ours names its test", async () => {
  const text = await Deno.readTextFile(new URL("docs/comparison.md", ROOT));
  const ours = text.split("\n").map((line) => line.split("|")[2]?.trim() ?? "");
  const yes = ours.filter((cell) => /^(\*\*)?yes\b/.test(cell));
  assertGreater(yes.length, 30);
  for (const cell of yes) assertStringIncludes(cell, "](../tests/");
});

Deno.test("docs/README.md: every page is in the index", async () => {
  const text = await Deno.readTextFile(new URL("docs/README.md", ROOT));
  for (const page of pages("docs/")) {
    const path = page.slice("docs/".length);
    if (path !== "README.md") assertStringIncludes(text, `](${path})`);
  }
});
