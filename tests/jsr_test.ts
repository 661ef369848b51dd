/** The package as JSR will have it: complete, documented, and used by strangers in empty folders. */
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { wsConnect } from "../mod.ts";
import { buildRegistry } from "../tools/registry.ts";
import { Program, runDeno } from "./helpers/program.ts";
import { exampleOwners, exportsOf, readDoc } from "./jsr/documented.ts";
import { permissionsOf, programOf } from "./jsr/programs.ts";

const root = new URL("../", import.meta.url);
const config: { exports: Record<string, string>; tasks: Record<string, string> } = JSON.parse(
  await Deno.readTextFile(new URL("deno.json", root)),
);
const entries = Object.entries(config.exports);

/** An empty folder, and a registry with this package as `deno publish` would fill it; Deno knows nothing else there. */
async function stranger() {
  const folder = await Deno.makeTempDir();
  const registry = await buildRegistry(root, new URL(`file://${folder}/registry/`));
  await Deno.mkdir(`${folder}/empty`);
  const options = {
    cwd: `${folder}/empty`,
    env: { JSR_URL: registry, DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
  };
  return {
    write: (name: string, program: string) =>
      Deno.writeTextFile(`${folder}/empty/${name}`, program),
    run: (...args: string[]) => runDeno(args, options),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("README: the program to paste runs as a stranger's script from JSR, with the permissions it names", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const [, program = ""] = readme.match(/```ts\n([^]*?)```/) ?? [];
  assertStringIncludes(program, "jsr:@wsconn/ws");
  assert(program.trim().split("\n").length <= 12, "it is ten lines or so");
  await using at = await stranger();
  await at.write("hello.ts", program);
  assertEquals(await at.run("run", "--allow-net", "hello.ts"), "hello\n");
});

Deno.test("every entry point is used by a stranger's script from JSR, type-checked, with the permissions it needs", async (t) => {
  await using at = await stranger();
  const fileOf = (name: string) => `${name.replaceAll(/\W+/g, "_")}.ts`;
  for (const [name] of entries) await at.write(fileOf(name), programOf(name));
  for (const [name] of entries) {
    await t.step(`${name}, with ${permissionsOf(name).join(" ") || "none"}`, async () => {
      const said = await at.run("run", "--no-prompt", ...permissionsOf(name), fileOf(name));
      assertEquals(said, "ok\n");
    });
  }
  await t.step(
    "their types",
    async () => void await at.run("check", ...entries.map(([name]) => fileOf(name))),
  );
});

Deno.test("what is published is what is imported: all of it, without slow types or other warnings", async () => {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check"], // `task check` does that
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, said);
  assert(!/warning|slow type.*found|error/i.test(said.replaceAll(/^ +file:.*$/gm, "")), said);
  const published = Array.from(said.matchAll(/^ +(file:\S+) \(/gm), ([, url]) => url!);
  assertGreater(published.length, 40);

  const graph = await runDeno(["info", "--json", "mod.ts"], { cwd: root });
  assertStringIncludes(graph, "framing/deflate.ts"); // what is imported late is in it too
  for (const [name, path] of entries) {
    const { modules } = JSON.parse(await runDeno(["info", "--json", path], { cwd: root }));
    for (const { specifier } of modules as { specifier: string }[]) {
      const isOwn = specifier.startsWith(root.href);
      assert(!isOwn || published.includes(specifier), `${name} needs ${specifier}`);
    }
  }

  const folder = await Deno.makeTempDir();
  try {
    const registry = await buildRegistry(root, new URL(`file://${folder}/`));
    const meta = new URL("@wsconn/ws/", registry);
    const [version] = Object.keys(
      JSON.parse(await Deno.readTextFile(new URL("meta.json", meta))).versions,
    );
    const { manifest } = JSON.parse(
      await Deno.readTextFile(new URL(`${version}_meta.json`, meta)),
    );
    const laidOut = Object.keys(manifest).map((path) => new URL(path.slice(1), root).href);
    assertEquals(laidOut.sort(), published.sort(), "the registry of the tests is laid out alike");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("every exported symbol and every member is documented; functions, classes and modules by examples that are run", async () => {
  const doc = await readDoc(entries.map(([, path]) => new URL(path, root).pathname));
  const all = [...exportsOf(doc)];
  assertGreater(all.length, 300);
  const bare = all.filter(([, { jsDoc }]) => !jsDoc?.doc?.trim()).map(([name]) => name);
  assertEquals(bare, [], "without a docstring");

  const owners = [...exampleOwners(doc)];
  assertGreater(owners.length, 30);
  assertEquals(owners.filter(({ examples }) => examples.length === 0), [], "without an example");
  // what `deno task test:doc` is given: files of the top level, and folders
  const [, places = ""] = config.tasks["test:doc"]?.match(/ --doc (.*)/) ?? [];
  const isRun = (path: string) =>
    places.split(" ").some((place) =>
      place === "*.ts" ? !path.includes("/") : path.startsWith(place)
    );
  const unrun = owners.filter(({ file }) => !isRun(file.slice(root.href.length)));
  assertEquals(unrun.map(({ name }) => name), [], "with examples that test:doc does not run");
});

Deno.test("compile: the echo server as a binary of its own", async (t) => {
  const folder = await Deno.makeTempDir();
  const binary = `${folder}/echo_server`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["compile", "--allow-net", "-o", binary, "examples/echo_server.ts"],
    cwd: root,
    stderr: "piped",
  }).output();
  const reason = new TextDecoder().decode(stderr);
  const unreachable = !success && /error sending request[^]*dl\.deno\.land/.test(reason);
  await t.step({
    name: unreachable ? "ignored: the base binary cannot be downloaded here" : "it serves",
    ignore: unreachable,
    async fn() {
      assert(success, reason);
      await using program = new Program(binary, ["--port", "0"]);
      const [, port] = await program.line(/:(\d+)\/$/);
      await using conn = await wsConnect(`ws://127.0.0.1:${port}/`);
      await conn.send("compiled");
      assertEquals(await conn.recv(), "compiled");
    },
  });
  await Deno.remove(folder, { recursive: true });
});
