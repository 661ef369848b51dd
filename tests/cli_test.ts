/** The command line as a whole: its help, and as a stranger starts it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BENCH } from "../cli/bench.ts";
import { CONNECT } from "../cli/connect.ts";
import { SERVE } from "../cli/serve.ts";
import { TYPED_HELP } from "../cli/typed.ts";
import { wsServe } from "../mod.ts";
import { buildRegistry } from "../tools/registry.ts";
import { runCli } from "./helpers/cli.ts";
import { LOCAL } from "./helpers/sockets.ts";

const root = new URL("../", import.meta.url);

Deno.test("help: names every option of every command, on lines of 80 columns", async () => {
  const guide = await Deno.readTextFile(new URL("docs/guide/command_line.md", root));
  const commands = [[[], CONNECT], [["connect"], CONNECT], [["serve"], SERVE], [
    ["bench"],
    BENCH,
  ]] as const;
  for (const [name, { options }] of commands) {
    const [long, short] = await Promise.all(
      ["--help", "-h"].map((flag) => runCli([...name, flag], { permissions: [] })),
    );
    assertEquals(long, short);
    const { code, stdout, stderr } = long!;
    assertEquals([code, stderr], [0, ""]);
    for (const [option, { short }] of Object.entries<{ short?: string }>(options)) {
      assertMatch(stdout, new RegExp(`^  ${short ? `-${short}, ` : "    "}--${option}\\b`, "m"));
      assertStringIncludes(guide, `--${option}`);
    }
    for (const line of stdout.split("\n")) assert(line.length <= 80, line);
    assertMatch(stdout, /^Exit codes:\n {2}0 {2}.*\n {2}1 {2}.*\n {2}2 {2}/m);
  }
});

Deno.test("help: without arguments too, with the commands at a terminal and the other two", async () => {
  const help = await runCli(["--help"], { permissions: [] });
  const none = await runCli([], { permissions: [] });
  assertEquals(none, { ...help, code: 2 });
  for (const line of TYPED_HELP) assertStringIncludes(help.stdout, line);
  for (const other of ["serve", "bench URL"]) assertStringIncludes(help.stdout, `\n  ${other} `);
  // wherever the option stands, unless it is behind --
  assertEquals((await runCli(["ws://a", "--once", "-h"], { permissions: [] })).code, 0);
  assertEquals((await runCli(["--", "--help"], { permissions: [] })).code, 2);
});

Deno.test("cli: as a stranger starts it, from JSR, in an empty folder", async () => {
  await using server = wsServe(async (conn) => {
    for await (const message of conn) await conn.send(message);
  }, LOCAL);
  const folder = await Deno.makeTempDir();
  try {
    const registry = await buildRegistry(root, new URL(`file://${folder}/registry/`));
    await Deno.mkdir(`${folder}/empty`);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-N", "jsr:@wsconn/ws/cli", "--once", server.url],
      cwd: `${folder}/empty`,
      env: { JSR_URL: registry, DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("hi\n"));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    assertEquals(new TextDecoder().decode(stdout), "hi\n", new TextDecoder().decode(stderr));
    assertEquals(code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
