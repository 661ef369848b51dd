/** The command `serve`: an echo server in a process of its own. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { wsConnect } from "../../mod.ts";
import { certs } from "../helpers/certs.ts";
import { runCli, startCli } from "../helpers/cli.ts";
import { LOCAL } from "../helpers/sockets.ts";

const folder = new URL("../../examples/certs/", import.meta.url).pathname;
const TLS = ["--cert", `${folder}localhost.pem`, "--key", `${folder}localhost.key.pem`];

/** Starts a server on a free port; returns its URL too. */
async function serve(args: string[] = [], permissions?: string[]) {
  const running = startCli(["serve", "--port", "0", ...args], permissions ? { permissions } : {});
  const [, url = ""] = await running.until(/^Echo server on (\S+)\n/);
  return { running, url };
}

Deno.test("serve: prints its URL, echoes to pages of any origin, and tells every client on Ctrl-C", async () => {
  const { running, url } = await serve();
  await using _running = running;
  assertMatch(url, /^ws:\/\/127\.0\.0\.1:\d+\/$/);
  const conns = await Promise.all([
    wsConnect(url),
    wsConnect(url, { headers: { origin: "https://elsewhere.example" } }),
    wsConnect(url, { version: "hixie-76" }),
  ]);
  for (const conn of conns) {
    await conn.send("Grüße");
    assertEquals(await conn.recv(), "Grüße");
  }
  await conns[0].send(new Uint8Array(100_000));
  assertEquals(await conns[0].recv(), new Uint8Array(100_000));
  running.child.kill("SIGINT");
  for (const conn of conns.slice(0, 2)) assertEquals((await conn.finished).code, 1001);
  await conns[2].finished;
  assertEquals(await running.end(), { code: 0, stdout: `Echo server on ${url}\n`, stderr: "" });
});

Deno.test("serve --cert --key: wss:, with the permission to read them", async () => {
  const { running, url } = await serve(TLS, ["-N", `--allow-read=${folder}`]);
  await using _running = running;
  assertMatch(url, /^wss:/);
  await using conn = await wsConnect(url, { caCerts: [certs.ca] });
  await conn.send("hi");
  assertEquals(await conn.recv(), "hi");
});

Deno.test("serve --compression --verbose: connections and messages, escaped", async () => {
  const { running, url } = await serve(["--compression", "--verbose"]);
  await using _running = running;
  const conn = await wsConnect(`${url}path`, { compression: true });
  assertEquals(conn.extensions, "permessage-deflate");
  await conn.send("\x1b[2J");
  assertEquals(await conn.recv(), "\x1b[2J");
  await conn.close(4000, "bye\x07");
  const { port } = conn.localAddr as Deno.NetAddr;
  const client = String.raw`\d\d:\d\d:\d\d\.\d{3} 127\.0\.0\.1:${port} `;
  for (
    const line of [
      String.raw`GET /path HTTP/1\.1 \(rfc6455, permessage-deflate\)`,
      String.raw`\[text 4 B\] \\x1b\[2J`,
      String.raw`closed with 4000 "bye\\x07"`,
    ]
  ) await running.until(new RegExp(`${client}${line}\n`));
  const response = await fetch(url.replace("ws:", "http:"));
  assertEquals(response.status, 426);
  await response.body?.cancel();
  await running.until(/^\d\d:\d\d:\d\d\.\d{3} .*\n/); // a refusal is told as well
});

Deno.test("serve: nobody who reads its output any more is a good end, and no reason to hang", async () => {
  const { running, url } = await serve(["--verbose"]);
  await using _running = running;
  const ended = running.stopReading();
  await using conn = await wsConnect(url);
  assertEquals((await conn.finished).code, 1001);
  assertEquals((await ended).code, 0);
});

Deno.test("serve: exit codes", async (t) => {
  using taken = Deno.listen(LOCAL);
  const port = `${taken.addr.port}`;
  const cases: [name: string, args: string[], permissions: string[], code: number, says: RegExp][] =
    [
      ["a port that is taken", ["--port", port], ["-N"], 1, /^Cannot listen on 127\.0\.0\.1:\d+: /],
      [
        "a host of others",
        ["--host", "192.0.2.1"],
        ["-N"],
        1,
        /^Cannot listen on 192\.0\.2\.1:8080: /,
      ],
      ["no permission to read", TLS, ["-N"], 2, /--allow-read=/],
      ["no permission for the network", [], [], 2, /deno run -N/],
    ];
  for (const [name, args, permissions, code, says] of cases) {
    await t.step(`${code}: ${name}`, async () => {
      const run = await runCli(["serve", ...args], { permissions });
      assertMatch(run.stderr, says);
      assertEquals(run.code, code);
      if (code === 2) assertStringIncludes(run.stderr, "jsr:@wsconn/ws/cli serve --help");
    });
  }
});
