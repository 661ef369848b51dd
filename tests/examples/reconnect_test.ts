import { assertEquals, assertMatch } from "@std/assert";
import { wsServe } from "../../mod.ts";
import { example, Program } from "../helpers/program.ts";

Deno.test("reconnect: prints what is sent before and after the server restarts, and ends with it", async () => {
  let server = wsServe((conn) => void conn.send("before"), { hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr as Deno.NetAddr;
  await using program = Program.deno([
    ...["run", "--allow-net", example("reconnect.ts"), server.url],
  ]);
  await program.line(/^before$/);
  await server.shutdown();
  server = wsServe(async (conn) => { // which closes with 1000
    await conn.send("after");
  }, { hostname: "127.0.0.1", port });
  await program.line(/^after$/);
  assertEquals((await program.status).code, 0);
  await server.shutdown();
  const lines = program.printed.trimEnd().split("\n");
  assertEquals(lines.slice(0, 2), ["Connected: HTTP/1.1 101 Switching Protocols", "before"]);
  assertMatch(
    lines[2]!,
    /^The peer closed the connection \(1001 "Server shutdown"\); attempt 1 follows in [01]\.\d\d s$/,
  );
  assertEquals(lines.slice(-2), [lines[0], "after"]);
});
