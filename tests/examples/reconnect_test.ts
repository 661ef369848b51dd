import { assertEquals, assertMatch } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { wsServe } from "../../mod.ts";

Deno.test("reconnect: prints what is sent before and after the server restarts, and ends with it", async () => {
  let server = wsServe((conn) => void conn.send("before"), { hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr as Deno.NetAddr;
  const script = new URL("../../examples/reconnect.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", script, server.url],
    stdout: "piped",
  }).spawn();
  const lines: string[] = [];
  const text = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of text) {
    lines.push(line);
    if (line !== "before") continue;
    await server.shutdown();
    server = wsServe(async (conn) => { // which closes with 1000
      await conn.send("after");
    }, { hostname: "127.0.0.1", port });
  }
  assertEquals((await child.status).code, 0);
  await server.shutdown();
  assertEquals(lines.slice(0, 2), ["Connected: HTTP/1.1 101 Switching Protocols", "before"]);
  assertMatch(
    lines[2]!,
    /^The peer closed the connection \(1001 "Server shutdown"\); attempt 1 follows in [01]\.\d\d s$/,
  );
  assertEquals(lines.slice(-2), [lines[0], "after"]);
});
