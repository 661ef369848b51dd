import { assertEquals, assertMatch } from "@std/assert";
import { wsConnect } from "../../mod.ts";
import { example, Program } from "../helpers/program.ts";

Deno.test("stats: the numbers as JSON and for Prometheus, while clients come and go", async () => {
  await using server = Program.deno(["run", "--allow-net", example("stats.ts"), "--port", "0"]);
  const [, port] = await server.line(/:(\d+)\/stats$/);
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const url = `ws://127.0.0.1:${port}/`;

  const conns = await Promise.all([wsConnect(url), wsConnect(url)]);
  await conns[0]!.send("Hello");
  assertEquals(await conns[0]!.recv(), "Hello");
  await conns[0]!.close();
  await server.line(/^Ended: \{"sent":\{"messages":1,"bytes":5,"wireBytes":\d+\}/);

  const { open: _open, ...stats } = await (await get("/stats")).json(); // TCP may still be closing
  assertEquals(stats, {
    accepted: 2,
    refused: 0,
    sent: { messages: 1, bytes: 5, wireBytes: 2 + 5 + 4 }, // with a Close
    received: { messages: 1, bytes: 5, wireBytes: 6 + 5 + 8 },
  });
  const response = await get("/metrics");
  assertMatch(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  assertMatch(text, /^# TYPE websocket_connections_open gauge\nwebsocket_connections_open [12]\n/);
  assertMatch(text, /^websocket_connections_total 2$/m);
  assertMatch(text, /^websocket_message_bytes_total\{direction="in"\} 5$/m);
  assertMatch(text, /^websocket_wire_bytes_total\{direction="out"\} 11$/m);
  assertEquals(await (await get("/elsewhere")).text(), "Not found");

  await conns[1]!.close();
});
