/** `reusePort`: several processes on one port. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type WsConn, wsConnect } from "../mod.ts";
import { certs } from "./helpers/certs.ts";
import { Program } from "./helpers/program.ts";

const SCRIPT = new URL("helpers/shared_port.ts", import.meta.url).href;
const FLAGS = ["run", "--unstable-net", "--allow-net", "--allow-read"];

/** For `Deno.test`: other systems do not share connections out. */
function needsLinux(name: string): { name: string; ignore: boolean } {
  const ignore = Deno.build.os !== "linux";
  return { name: ignore ? `${name} (ignored: this is not Linux)` : name, ignore };
}

for (const scheme of ["ws", "wss"]) {
  const tls = scheme === "wss" ? ["tls"] : [];
  const start = (port: string) => Program.deno([...FLAGS, SCRIPT, port, "shared", ...tls]);

  Deno.test({
    ...needsLinux(
      `reusePort, ${scheme}: two processes get connections; one is killed, the other goes on`,
    ),
    async fn() {
      await using first = start("0");
      const [port] = await first.line(/^\d+$/);
      await using second = start(port);
      await second.line(/^\d+$/);
      const connect = async () => {
        const conn = await wsConnect(`${scheme}://127.0.0.1:${port}/`, { caCerts: [certs.ca] });
        return { conn, pid: Number(await conn.recv()) };
      };

      const conns = new Map<number, WsConn>();
      const extra: WsConn[] = [];
      while (conns.size < 2) { // that 64 connections go to the same one is as likely as 2^-63
        const { conn, pid } = await connect();
        if (conns.has(pid)) extra.push(conn);
        else conns.set(pid, conn);
        if (extra.length > 62) throw new Error(`All went to ${[...conns.keys()]}`);
      }
      assertEquals(new Set(conns.keys()), new Set([first.pid, second.pid]));

      const lost = conns.get(first.pid)!;
      const kept = conns.get(second.pid)!;
      first.signal("SIGKILL");
      assertEquals((await lost.finished).code, 1006);
      await first.status;
      await kept.send("still here");
      assertEquals(await kept.recv(), "still here");
      for (let i = 0; i < 8; i++) {
        const { conn, pid } = await connect();
        assertEquals(pid, second.pid);
        await conn.close();
      }
      await Promise.all([kept, ...extra].map((conn) => conn.close()));
    },
  });
}

Deno.test({
  ...needsLinux("reusePort: the address is taken for a process that does not ask for it"),
  async fn() {
    await using first = Program.deno([...FLAGS, SCRIPT, "0", "shared"]);
    const [port] = await first.line(/^\d+$/);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...FLAGS, SCRIPT, port, "alone"],
    }).output();
    assertEquals(success, false);
    assertStringIncludes(new TextDecoder().decode(stderr), "AddrInUse");
  },
});

Deno.test("reusePort: without --unstable-net, Deno says so", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", "--allow-read", SCRIPT, "0", "shared"],
  }).output();
  assertEquals(code, 70);
  assertStringIncludes(new TextDecoder().decode(stderr), "--unstable-net");
});
