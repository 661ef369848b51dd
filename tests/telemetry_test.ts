/** A process with Deno's OpenTelemetry turned on exports to a collector; nothing that is not asked for loads it. */
import { assert, assertEquals } from "@std/assert";
import { wsConnect } from "../mod.ts";
import { Program, runDeno } from "./helpers/program.ts";
import { RawPeer } from "./helpers/sockets.ts";
import { Collector } from "./telemetry/collector.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c", CALLER = "b7ad6b7169203331";

/** The traced server, with the permission to listen and no other, until the block ends. */
async function start(env: Record<string, string>) {
  const path = new URL("telemetry/server.ts", import.meta.url).pathname;
  const args = ["run", "--allow-net=127.0.0.1", path];
  const program = Program.deno(args, { env, stdin: "piped" });
  const [url] = await program.line(/^ws:.*/);
  return {
    url,
    async [Symbol.asyncDispose]() {
      await using ending = program;
      await ending.endInput();
      assertEquals((await ending.status).code, 0);
    },
  };
}

Deno.test("each connection is a span, child of the caller's, with how it ended; its handler runs in it", async () => {
  await using collector = new Collector();
  {
    await using server = await start(collector.env);
    const fine = await wsConnect(`${server.url}chat?token=secret`, {
      headers: { "traceparent": `00-${TRACE}-${CALLER}-01`, "user-agent": "tests/1" },
    });
    await fine.send("Hello");
    await fine.recv();
    const port = (fine.localAddr as Deno.NetAddr).port;
    await fine.close(1000);

    const throwing = await wsConnect(`${server.url}throwing`);
    await throwing.send("throw");
    await throwing.finished;

    const { hostname, port: to } = new URL(server.url);
    const lost = await RawPeer.connect({ transport: "tcp", hostname, port: Number(to) });
    await lost.send(1, "Hello");
    await lost.next();
    lost.conn.close();

    const { spans } = collector;
    await collector.until(() => spans.filter(({ name }) => name === "chat").length === 3);
    const [chat, thrown, vanished] = ["/chat", "/throwing", "/"].map((path) =>
      spans.find(({ attributes }) => attributes["url.path"] === path)!
    );
    assertEquals([chat!.scope, chat!.kind, chat!.traceId], ["@wsconn/ws", 2, TRACE]);
    assertEquals(chat!.parentSpanId, CALLER);
    assertEquals(chat!.attributes, {
      "network.protocol.name": "websocket",
      "url.path": "/chat",
      "url.scheme": "ws",
      "client.address": "127.0.0.1",
      "client.port": port,
      "user_agent.original": "tests/1",
      "websocket.close.code": 1000,
      room: 42,
    });
    assertEquals(chat!.status.code, 0);
    const answer = spans.find(({ name, traceId }) => name === "answer" && traceId === TRACE)!;
    assertEquals([answer.scope, answer.parentSpanId], ["application", chat!.spanId]);

    assertEquals(thrown!.status, { code: 2, message: "Too much" });
    assertEquals(thrown!.events, ["exception"]);
    assertEquals(thrown!.attributes["error.type"], "RangeError");
    assertEquals(thrown!.attributes["websocket.close.code"], 1011);
    assert(thrown!.traceId !== TRACE);

    assertEquals(vanished!.status.code, 2);
    assertEquals(vanished!.attributes["websocket.close.code"], 1006);
  }
});

Deno.test("observe exports what server.stats counts, while it goes on", async () => {
  await using collector = new Collector();
  await using server = await start(collector.env);
  const conn = await wsConnect(server.url);
  await conn.send("Grüße");
  await conn.recv();
  await wsConnect(server.url, { headers: { origin: "http://elsewhere" } }).catch(() => {});
  const { points } = collector;
  const seen = () =>
    Object.fromEntries(
      Array.from(points, ([name, { value }]) => [name, value] as const)
        .filter(([name]) => name.startsWith("websocket.")),
    );
  await collector.until(() => seen()["websocket.server.connections.refused"] === 1);
  await collector.until(() => seen()["websocket.server.network.io transmit"] === 9);
  assertEquals(seen(), {
    "websocket.server.connections.open": 1,
    "websocket.server.connections.accepted": 1,
    "websocket.server.connections.refused": 1,
    "websocket.server.messages receive": 1,
    "websocket.server.messages transmit": 1,
    "websocket.server.message.io receive": 7,
    "websocket.server.message.io transmit": 7,
    "websocket.server.network.io receive": 13,
    "websocket.server.network.io transmit": 9,
  });
  const { port } = new URL(server.url);
  const { scope, unit, monotonic, attributes } = points.get("websocket.server.message.io receive")!;
  assertEquals([scope, unit, monotonic], ["@wsconn/ws", "By", true]);
  assertEquals(attributes, {
    "server.address": "127.0.0.1",
    "server.port": Number(port),
    "network.io.direction": "receive",
    tier: "test",
  });
  assertEquals(points.get("websocket.server.connections.open")!.monotonic, false);
  await conn.close();
  await collector.until(() => seen()["websocket.server.connections.open"] === 0);
  assertEquals(seen()["websocket.server.connections.accepted"], 1);
});

Deno.test("only telemetry.ts loads OpenTelemetry", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  for (const [name, path] of Object.entries<string>(config.exports)) {
    const file = new URL(`../${path}`, import.meta.url).pathname;
    const graph = await runDeno(["info", "--json", file]);
    assert(graph.includes(path.slice(1)), "the graph has the module itself");
    assertEquals(graph.includes("opentelemetry"), name === "./telemetry", name);
  }
});
