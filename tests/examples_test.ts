/** The examples run as they stand, each in a process of its own, and so does a stranger's script that imports from JSR. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { wsConnect } from "../mod.ts";
import { buildRegistry } from "../tools/registry.ts";

const root = new URL("../", import.meta.url);
const example = (name: string) => new URL(`examples/${name}`, root).pathname;

async function run(args: string[], options: Deno.CommandOptions = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, ...options })
    .output();
  const text = new TextDecoder().decode(stdout);
  assert(success, text + new TextDecoder().decode(stderr));
  return text;
}

/** Starts a server that prints its address first. */
async function start(args: string[]) {
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  const reader = lines.getReader();
  const { value = "" } = await reader.read();
  return { child, reader, line: value };
}

Deno.test("demo: everything that is sent comes back, over ws: and wss:, and it ends by itself", async () => {
  const text = await run(["run", "-A", example("demo.ts")]);
  assertEquals(text.match(/^wss?:\/\/127\.0\.0\.1:\d+\/ {2}HTTP\/1\.1 101 /gm)?.length, 2);
  assertEquals(text.match(/"Grüße, 世界 👋"/g)?.length, 4);
  assertEquals(text.match(/1 MiB of binary/g)?.length, 4);
  assertEquals(text.match(/closed: 1000, clean/g)?.length, 2);
  assertStringIncludes(text, "Done: all that was sent came back.");
});

Deno.test("echo_server and echo_client: a page, an echo, and 1001 for every client on Ctrl-C", async () => {
  const { child, reader, line } = await start(
    ["run", "--allow-net", example("echo_server.ts"), "--port", "0"],
  );
  const [, port] = line.match(/^Echo server on http:\/\/localhost:(\d+)\/$/) ?? [];
  const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  assertMatch(page, /<script>[^]*new WebSocket\(/);
  const url = `ws://127.0.0.1:${port}/`;
  const reply = await run(["run", "--allow-net", example("echo_client.ts"), url, "Hi there"]);
  assertEquals(reply, "Hi there\n");
  const conns = await Promise.all([wsConnect(url), wsConnect(url)]);
  child.kill("SIGINT");
  for (const conn of conns) {
    assertEquals(await conn.finished, { code: 1001, reason: "Server shutdown", wasClean: true });
  }
  assertEquals((await child.status).code, 0);
  await reader.cancel();
});

Deno.test("tls_echo: with just the permissions its comment names", async () => {
  const text = await run(["run", "--allow-net", "--allow-read", example("tls_echo.ts")]);
  assertMatch(text, /^wss:\/\/127\.0\.0\.1:\d+\/ Hello over TLS\n$/);
});

Deno.test("README: the program to paste runs as a stranger's script from JSR, with the permissions it names", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const [, program = ""] = readme.match(/```ts\n([^]*?)```/) ?? [];
  assertStringIncludes(program, "jsr:@wsconn/ws");
  assert(program.trim().split("\n").length <= 12, "it is ten lines or so");
  const folder = await Deno.makeTempDir();
  try {
    // a registry of its own, as `deno publish` would fill it, and an empty folder
    const registry = await buildRegistry(root, new URL(`file://${folder}/registry/`));
    await Deno.mkdir(`${folder}/empty`);
    await Deno.writeTextFile(`${folder}/empty/hello.ts`, program);
    const text = await run(["run", "--allow-net", "hello.ts"], {
      cwd: `${folder}/empty`,
      env: { JSR_URL: registry, DENO_DIR: `${folder}/cache` },
    });
    assertEquals(text, "hello\n");
    const others = ["client", "server", "framing"]
      .map((name) => `import * as ${name} from "jsr:@wsconn/ws@^0.1/${name}";`).join("\n");
    const check = "console.log(client.wsConnect.name, server.wsServe.name, framing.Opcode.Text);";
    await Deno.writeTextFile(`${folder}/empty/others.ts`, `${others}\n${check}`);
    const names = await run(["run", "others.ts"], {
      cwd: `${folder}/empty`,
      env: { JSR_URL: registry, DENO_DIR: `${folder}/cache` },
    });
    assertEquals(names, "wsConnect wsServe 1\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("compile: the echo server as a binary of its own", async (t) => {
  const folder = await Deno.makeTempDir();
  const binary = `${folder}/echo_server`;
  const compiling = await new Deno.Command(Deno.execPath(), {
    args: ["compile", "--allow-net", "-o", binary, example("echo_server.ts")],
    stderr: "piped",
  }).output();
  const reason = new TextDecoder().decode(compiling.stderr);
  const unreachable = !compiling.success && /denort|dns error|error sending request/i.test(reason);
  await t.step({
    name: unreachable ? "ignored: the base binary cannot be downloaded here" : "it serves",
    ignore: unreachable,
    async fn() {
      assert(compiling.success, reason);
      const child = new Deno.Command(binary, { args: ["--port", "0"], stdout: "piped" }).spawn();
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const [, port] = (await reader.read()).value?.match(/:(\d+)\//) ?? [];
      await using conn = await wsConnect(`ws://127.0.0.1:${port}/`);
      await conn.send("compiled");
      assertEquals(await conn.recv(), "compiled");
      child.kill("SIGINT");
      await child.status;
      await reader.cancel();
    },
  });
  await Deno.remove(folder, { recursive: true });
});
