/** examples/cluster/ runs as it stands, with just the permissions that its comment names. */
import { assert, assertEquals } from "@std/assert";
import { type WsConn, wsConnect } from "../../mod.ts";
import { Program } from "../helpers/program.ts";

const MAIN = new URL("../../examples/cluster/main.ts", import.meta.url).href;
const ON_LINUX = Deno.build.os === "linux";

function cluster(): Program {
  return Program.deno(["run", "--allow-run", MAIN, "--port", "0", "--workers", "2"]);
}

/** The port that all workers listen on, and who they are. */
async function started(cluster: Program): Promise<{ port: string; pids: Set<number> }> {
  const first = await cluster.line(/^Worker (\d+) listens$/);
  const second = await cluster.line(/^Worker (\d+) listens$/);
  const [, port] = await cluster.line(/^2 workers on ws:\/\/localhost:(\d+)\/$/);
  return { port: port!, pids: new Set([first, second].map(([, pid]) => Number(pid))) };
}

/** A client of each worker in `wanted`; connects until there is one. */
async function clientOfEach(port: string, wanted: Set<number>): Promise<Map<number, WsConn>> {
  const conns = new Map<number, WsConn>();
  for (let tries = 0; conns.size < wanted.size; tries++) {
    assert(tries < 64, `of ${[...wanted]}, only ${[...conns.keys()]} answer`);
    const conn = await wsConnect(`ws://127.0.0.1:${port}/`);
    await conn.send("hello");
    const [, pid] = (await conn.recv() as string).match(/^(\d+): hello$/)!;
    if (conns.has(Number(pid))) await conn.close();
    else conns.set(Number(pid), conn);
  }
  assertEquals(new Set(conns.keys()), wanted);
  return conns;
}

const SHUTDOWN = { code: 1001, reason: "Server shutdown", wasClean: true };

Deno.test({
  name:
    "cluster: every worker gets connections, one that dies is replaced, SIGHUP replaces all, Ctrl-C ends all" +
    (ON_LINUX ? "" : " (ignored: this is not Linux)"),
  ignore: !ON_LINUX,
  async fn() {
    await using main = cluster();
    const { port, pids } = await started(main);
    const clients = await clientOfEach(port, pids);

    const [[dying, lost], [living, kept]] = [...clients] as [[number, WsConn], [number, WsConn]];
    Deno.kill(dying, "SIGKILL");
    assertEquals((await lost.finished).code, 1006);
    await main.line(new RegExp(`^Worker ${dying} died: SIGKILL$`));
    await main.line(/^Another one starts in 100 ms$/);
    const replacement = Number((await main.line(/^Worker (\d+) listens$/))[1]);
    await kept.send("hello");
    assertEquals(await kept.recv(), `${living}: hello`);

    Deno.kill(replacement, "SIGKILL");
    await main.line(/^Another one starts in 200 ms$/); // who dies again and again is not started again and again at once
    const next = Number((await main.line(/^Worker (\d+) listens$/))[1]);
    const old = await clientOfEach(port, new Set([living, next]));

    main.signal("SIGHUP");
    for (const conn of [kept, ...old.values()]) assertEquals(await conn.finished, SHUTDOWN);
    const fresh = [
      await main.line(/^Worker (\d+) listens$/),
      await main.line(/^Worker (\d+) listens$/),
    ].map(([, pid]) => Number(pid));
    await main.line(/^All workers are new$/);
    const last = await clientOfEach(port, new Set(fresh));

    main.signal("SIGINT");
    for (const conn of last.values()) assertEquals(await conn.finished, SHUTDOWN);
    assertEquals((await main.status).code, 0);
  },
});

Deno.test({
  name: "cluster: workers end with the process that started them, even if that was killed" +
    (ON_LINUX ? "" : " (ignored: this is not Linux)"),
  ignore: !ON_LINUX,
  async fn() {
    await using main = cluster();
    const { port, pids } = await started(main);
    const clients = await clientOfEach(port, pids);
    main.signal("SIGKILL");
    for (const conn of clients.values()) assertEquals(await conn.finished, SHUTDOWN);
  },
});
