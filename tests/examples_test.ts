/** The examples run as they stand, each in a process of its own. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { wsConnect } from "../mod.ts";
import { example, Program, runDeno as run } from "./helpers/program.ts";

Deno.test("demo: everything that is sent comes back, over ws: and wss:, and it ends by itself", async () => {
  const text = await run(["run", "-A", example("demo.ts")]);
  assertEquals(text.match(/^wss?:\/\/127\.0\.0\.1:\d+\/ {2}HTTP\/1\.1 101 /gm)?.length, 2);
  assertEquals(text.match(/"Grüße, 世界 👋"/g)?.length, 4);
  assertEquals(text.match(/1 MiB of binary/g)?.length, 4);
  assertEquals(text.match(/closed: 1000, clean/g)?.length, 2);
  assertStringIncludes(text, "Done: all that was sent came back.");
});

Deno.test("echo_server and echo_client: a page, an echo, and 1001 for every client on Ctrl-C", async () => {
  const args = ["run", "--allow-net", example("echo_server.ts"), "--port", "0"];
  await using server = Program.deno(args);
  const [, port] = await server.line(/^Echo server on http:\/\/localhost:(\d+)\/$/);
  const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  assertMatch(page, /<script>[^]*new WebSocket\(/);
  const url = `ws://127.0.0.1:${port}/`;
  const reply = await run(["run", "--allow-net", example("echo_client.ts"), url, "Hi there"]);
  assertEquals(reply, "Hi there\n");
  const conns = await Promise.all([wsConnect(url), wsConnect(url)]);
  server.signal("SIGINT");
  for (const conn of conns) {
    assertEquals(await conn.finished, { code: 1001, reason: "Server shutdown", wasClean: true });
  }
  assertEquals((await server.status).code, 0);
});

Deno.test("tls_echo: with just the permissions its comment names", async () => {
  const text = await run(["run", "--allow-net", "--allow-read", example("tls_echo.ts")]);
  assertMatch(text, /^wss:\/\/127\.0\.0\.1:\d+\/ Hello over TLS\n$/);
});
