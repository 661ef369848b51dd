/** The example of OpenTelemetry, exporting to a collector. */
import { assertEquals } from "@std/assert";
import { wsConnect } from "../../mod.ts";
import { example, Program } from "../helpers/program.ts";
import { Collector } from "../telemetry/collector.ts";

Deno.test("telemetry.ts: connections and answers are spans, and the server's numbers are exported", async () => {
  await using collector = new Collector();
  const args = ["run", "--allow-net", example("telemetry.ts"), "--port", "0"];
  await using program = Program.deno(args, { env: collector.env });
  const [url] = await program.line(/^ws:.*/);
  const conn = await wsConnect(url);
  await conn.send("hello");
  assertEquals(await conn.recv(), "hello");
  await conn.close();
  const { spans, points } = collector;
  await collector.until(() => spans.some(({ name }) => name === "echo"));
  const [connection, answer] = ["echo", "answer"].map((name) =>
    spans.find((span) => span.name === name)!
  );
  assertEquals(answer!.parentSpanId, connection!.spanId);
  await collector.until(() => points.get("websocket.server.connections.accepted")?.value === 1);
  program.signal("SIGINT");
  assertEquals((await program.status).code, 0);
});
