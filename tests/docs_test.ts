import { assert, assertGreater } from "@std/assert";

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
