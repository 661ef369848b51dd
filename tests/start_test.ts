/** What a program waits for when it starts: this module, and nothing of Node's, which takes longer than all of it. */
import { assert, assertEquals } from "@std/assert";

interface Graph {
  roots: string[];
  modules: { specifier: string; dependencies?: Dependency[] }[];
}

interface Dependency {
  code?: { specifier: string };
  isDynamic?: boolean;
}

/** The modules that are loaded before the first statement of `path` runs. */
async function loadedWith(path: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(path, import.meta.url).href],
    cwd: new URL("..", import.meta.url),
  }).output();
  const { roots, modules }: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const dependencies = new Map(modules.map((module) => [module.specifier, module.dependencies]));
  const loaded = new Set(roots);
  for (const specifier of loaded) { // which grows meanwhile
    for (const { code, isDynamic = false } of dependencies.get(specifier) ?? []) {
      if (code !== undefined && !isDynamic) loaded.add(code.specifier);
    }
  }
  return [...loaded];
}

Deno.test("whoever imports the client or the server waits for nothing of Node's", async () => {
  const [all, server, crypto] = await Promise.all(
    ["../mod.ts", "../server.ts", "../handshake/challenge.ts"].map(loadedWith),
  );
  const ofNode = (specifier: string) => specifier.startsWith("node:");
  assertEquals([all!.filter(ofNode), server!.filter(ofNode)], [[], []]);
  assertEquals(crypto!.filter(ofNode), ["node:crypto"]); // so this would be seen
  assert(all!.length > server!.length);
});
