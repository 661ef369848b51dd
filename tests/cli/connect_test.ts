/** The command `connect`, piped into: what it prints, what it sends, and with what it exits. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Opcode } from "../../framing/mod.ts";
import { wsServe } from "../../mod.ts";
import { certs } from "../helpers/certs.ts";
import { checkEach, runCli, type RunOptions, startCli } from "../helpers/cli.ts";
import { demandingServer } from "../helpers/demanding.ts";
import { needsNode, servePeer } from "../helpers/node.ts";
import { ConnectProxy } from "../helpers/proxy.ts";
import { echo, LOCAL, RawPeer } from "../helpers/sockets.ts";

const CERTS = new URL("../../examples/certs", import.meta.url).pathname;
const CA = `${CERTS}/ca.pem`;

/** The events of `--json`, without their times, which are checked. */
function eventsOf(stdout: string): Record<string, unknown>[] {
  return stdout.trimEnd().split("\n").map((line) => {
    const { time, ...event } = JSON.parse(line);
    assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    return event;
  });
}

Deno.test("connect: echo hi | … --once prints the answer, and nothing else", async () => {
  await using server = wsServe(echo, LOCAL);
  const { code, stdout, stderr } = await runCli(["--once", server.url], { stdin: "hi\n" });
  assertEquals([code, stdout, stderr], [0, "hi\n", ""]);
});

Deno.test("connect: every line is a message, commands and the last one without its end too; the Close is 1000", async () => {
  const received: string[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<unknown>();
  await using server = wsServe(async (conn) => {
    for await (const message of conn) received.push(message as string);
    resolve(await conn.finished);
  }, LOCAL);
  const stdin = "one\n\n/close 4000\n//x\r\nGrüße 👋";
  const { code, stdout, stderr } = await runCli(["--wait", "0", server.url], { stdin });
  assertEquals([code, stdout, stderr], [0, "", ""]);
  assertEquals(received, ["one", "", "/close 4000", "//x", "Grüße 👋"]);
  assertEquals(await closed, { code: 1000, reason: "", wasClean: true });
});

Deno.test("connect: 5,000 lines are answered in order while they are sent", async () => {
  await using server = wsServe(async (conn) => {
    let left = 5_000;
    for await (const message of conn) {
      await conn.send(message);
      if (--left === 0) return;
    }
  }, LOCAL);
  const lines = Array.from({ length: 5_000 }, (_, at) => `line ${at}\n`.padStart(80)).join("");
  const { code, stdout, stderr } = await runCli(["--wait", "60", server.url], { stdin: lines });
  assertEquals([code, stderr], [0, ""]);
  assert(stdout === lines);
});

Deno.test("connect --wait: messages are printed for so long after the end of the input", async () => {
  await using server = wsServe(async (conn) => {
    await conn.recv();
    await conn.send("first");
    await conn.send("second");
    return conn.finished.then(() => {});
  }, LOCAL);
  const { code, stdout } = await runCli(["--wait", "0.3", server.url], { stdin: "hi\n" });
  assertEquals([code, stdout], [0, "first\nsecond\n"]);
});

Deno.test("connect --wait Infinity: prints messages until the server closes", async () => {
  const printed = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<unknown>();
  await using server = wsServe(async (conn) => {
    await conn.recv();
    await conn.send("first");
    await printed.promise;
    closed.resolve(await conn.close(1001));
  }, LOCAL);
  await using running = startCli(["--wait", "Infinity", server.url]);
  await running.type("hi\n");
  await running.endInput();
  await running.until(/first/);
  printed.resolve();
  assertEquals(await closed.promise, { code: 1001, reason: "", wasClean: true });
  assertEquals((await running.end()).code, 0);
});

Deno.test("connect: what has no reader any more ends it in good order, as behind | head", async () => {
  const { promise: closed, resolve } = Promise.withResolvers<unknown>();
  await using server = wsServe(async (conn) => {
    void conn.finished.then(resolve);
    while (!conn.closed) await conn.send("again".repeat(1000)).catch(() => {});
  }, LOCAL);
  await using running = startCli(["-v", server.url]);
  await running.until(/again/);
  const { code } = await running.stopReading();
  assertEquals(code, 0);
  assertEquals(await closed, { code: 1000, reason: "", wasClean: true });
});

Deno.test("connect --verbose: times and sizes, the opening and the end", async () => {
  await using server = wsServe(async (conn) => {
    await conn.send("Grüße");
    await conn.send(new Uint8Array(40).map((_, at) => at));
    await conn.close(1001, "see you");
  }, { ...LOCAL, protocols: ["v1"], compression: true });
  const { code, stdout, stderr } = await runCli(
    ["-v", "--protocol", "v0", "--protocol", "v1", "--compression", `${server.url}a?token=secret`],
  );
  assertEquals(code, 0);
  const bytes = Array.from({ length: 32 }, (_, at) => at.toString(16).padStart(2, "0")).join(" ");
  assertMatch(
    stdout,
    new RegExp(
      String.raw`^\d\d:\d\d:\d\d\.\d{3} \[text 7 B\] Grüße\n` +
        String.raw`\d\d:\d\d:\d\d\.\d{3} \[binary 40 B\] ${bytes} …\n$`,
    ),
  );
  assertEquals(
    stderr,
    `Connected to ${server.url}a (rfc6455, subprotocol v1, permessage-deflate)\n` +
      'Closed with 1001 "see you"\n',
  );
});

Deno.test("connect: binary as a preview, without --verbose too", async () => {
  await using server = wsServe((conn) => conn.send(Uint8Array.of(0, 0x1b, 0xff)), LOCAL);
  assertEquals((await runCli(["--once", server.url])).stdout, "[binary 3 B] 00 1b ff\n");
});

Deno.test("connect --json: one object for each event, binary in base64", async () => {
  await using server = wsServe(async (conn) => {
    await conn.recv();
    await conn.send('a "text"\n\x1b[2J\u202e👋');
    await conn.send(Uint8Array.of(1, 2, 255));
    await conn.close(4001, "over\x9b");
  }, { ...LOCAL, connHeaders: () => ({ headers: { "x-answer": "42" }, state: undefined }) });
  const { code, stdout, stderr } = await runCli(
    ["--json", "--commands", server.url.replace("//", "//user:password@")],
    { stdin: "/ping\nhi\n" },
  );
  assertEquals([code, stderr], [3, ""]);
  assert(/^[\x20-\x7e\u{1f44b}\n]*$/u.test(stdout), "nothing in it controls a terminal");
  const [open, ping, ...others] = eventsOf(stdout);
  const { headers, ...opened } = open!;
  assertEquals(opened, {
    type: "open",
    url: server.url,
    version: "rfc6455",
    protocol: "",
    extensions: "",
    line: "HTTP/1.1 101 Switching Protocols",
  });
  assertEquals(new Headers(headers as [string, string][]).get("x-answer"), "42");
  assertEquals(ping!["type"], "ping");
  assert(ping!["roundTripTime"] as number > 0);
  assertEquals(others, [
    { type: "message", size: 20, text: 'a "text"\n\x1b[2J\u202e👋' },
    { type: "message", size: 3, base64: "AQL/" },
    { type: "close", code: 4001, reason: "over\x9b", wasClean: true },
  ]);
});

Deno.test("connect --json: what goes wrong is an event too", async () => {
  await using server = wsServe(() => {}, {
    ...LOCAL,
    connHeaders: () => new Response("not you\x1b[2J", { status: 403 }),
  });
  const { code, stdout, stderr } = await runCli(["--json", server.url]);
  assertEquals([code, stderr], [1, ""]);
  const message =
    "Cannot connect: The server refused the connection: 403 Forbidden: not you\x1b[2J";
  assertEquals(eventsOf(stdout), [{ type: "error", message, status: 403 }]);
});

Deno.test("connect --commands: /ping, /binary, //, /help and /close", async () => {
  const received: unknown[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<unknown>();
  await using server = wsServe(async (conn) => {
    for await (const message of conn) received.push(message);
    resolve(await conn.finished);
  }, LOCAL);
  const { code, stdout, stderr } = await runCli(["--commands", server.url], {
    stdin: "/ping\n/binary 00 fF10\n/binary\n//ping\n/help\n/close 4000 see you\nnever sent\n",
  });
  assertEquals([code, stdout], [0, ""]);
  assertMatch(stderr, /^\d\d:\d\d:\d\d\.\d{3} Pong after \d+\.\d\d ms\n\/ping +Send a Ping/);
  assertEquals(received, [Uint8Array.of(0, 255, 16), new Uint8Array(), "/ping"]);
  assertEquals(await closed, { code: 4000, reason: "see you", wasClean: true });
});

Deno.test("connect -H and --protocol: what the server is told", async () => {
  const headers = Promise.withResolvers<Headers>();
  await using server = wsServe((conn) => conn.send("welcome"), {
    ...LOCAL,
    origins: "*",
    connHeaders: (_, all) => {
      headers.resolve(all);
      return { state: undefined };
    },
  });
  const { code } = await runCli([
    ...["-H", "X-One: a: b", "--header", "x-two:c", "-Hx-one: d", "-H", "Origin: null"],
    ...["--protocol=v2", "--protocol", "v1", "-H", "x-empty:", "--once", server.url],
  ]);
  assertEquals(code, 0);
  const got = await headers.promise;
  assertEquals(
    ["x-one", "x-two", "x-empty", "origin", "sec-websocket-protocol"].map((name) => got.get(name)),
    ["a: b, d", "c", "", "null", "v2, v1"],
  );
});

for (const version of ["hixie-76", "hixie-75"]) {
  Deno.test(`connect --version ${version}: an echo`, async () => {
    await using server = wsServe(echo, { ...LOCAL, versions: ["hixie-76", "hixie-75"] });
    const { code, stdout, stderr } = await runCli([
      "--version",
      version,
      "-v",
      "--once",
      server.url,
    ], {
      stdin: "Grüße\n",
    });
    assertEquals(code, 0);
    assertMatch(stdout, /\[text 7 B\] Grüße\n$/);
    assertStringIncludes(stderr, `(${version})`);
  });
}

Deno.test("connect --ca: trusts the certificate, with --allow-read for it and nothing else", async () => {
  await using server = wsServe(echo, { ...LOCAL, ...certs.server });
  const url = server.url;
  const read = ["-N", `--allow-read=${CA}`];
  const trusting = await runCli(["--ca", CA, "--once", url], { stdin: "hi\n", permissions: read });
  assertEquals(trusting, { code: 0, stdout: "hi\n", stderr: "" });

  const without = await runCli([url]);
  assertEquals(without.code, 1);
  assertStringIncludes(without.stderr, "invalid peer certificate: UnknownIssuer (to trust");
  assertStringIncludes(without.stderr, "--ca FILE");

  const insecure = await runCli(["--insecure", url]);
  assertEquals([insecure.code, insecure.stdout], [2, ""]);
  assertStringIncludes(insecure.stderr, "Cannot connect with --insecure");
  assertStringIncludes(insecure.stderr, "--ca FILE");
});

Deno.test("connect: each way to the server, with the permissions that the help names and no others", async (t) => {
  await using server = wsServe(echo, LOCAL);
  await using moved = wsServe(() => {}, {
    ...LOCAL,
    connHeaders: () => new Response(null, { status: 307, headers: { location: server.url } }),
  });
  await using demanding = await demandingServer(server.url);
  await using proxy = new ConnectProxy({ to: server.addr as Deno.NetAddr });
  await using tunnel = new ConnectProxy();
  await using strict = new ConnectProxy({ authorization: `Basic ${btoa("ada:secret")}` });
  const folder = await Deno.realPath(await Deno.makeTempDir());
  await using _folder = {
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
  const socket = `${folder}/socket`;
  await using _behind = wsServe(echo, {
    listen: () => Deno.listen({ transport: "unix", path: socket }),
  });
  const net = (...urls: string[]) => `--allow-net=${urls.map((url) => new URL(url).host)}`;
  const ofEnvironment = {
    permissions: [net(proxy.url), "--allow-env=http_proxy,HTTP_PROXY"],
    env: { http_proxy: "", HTTP_PROXY: proxy.url },
  };
  const identity = ["--ca", CA, "--cert", `${CERTS}/client.pem`]
    .concat("--key", `${CERTS}/client.key.pem`);
  const cases: { name: string; args: string[]; how: RunOptions; code?: number; says?: RegExp }[] = [
    {
      name: "a proxy, with a name and password for it",
      args: ["--proxy", strict.url.replace("//", "//ada:secret@"), server.url],
      how: { permissions: [net(strict.url)] },
    },
    {
      name: "a header for the proxy",
      args: ["--proxy", strict.url, "--proxy-header"]
        .concat(`Proxy-Authorization: Basic ${btoa("ada:secret")}`, server.url),
      how: { permissions: [net(strict.url)] },
    },
    {
      name: "a proxy that wants to know who it is",
      args: ["--proxy", strict.url, server.url],
      how: { permissions: [net(strict.url)] },
      code: 1,
      says: /^Cannot connect: The proxy refused the connection: 407 .*: Who is\?\n$/,
    },
    { name: "the environment's proxy", args: ["ws://a.test/"], how: ofEnvironment },
    {
      name: "the environment's proxy, by name",
      args: ["--proxy", "environment", "ws://a.test/"],
      how: ofEnvironment,
    },
    {
      name: "a Unix socket",
      args: ["--unix", socket, "ws://a.test/"],
      how: {
        permissions: [`-R=${socket}`, `-W=${socket}`, `--allow-net=unix:${socket}`],
      },
    },
    {
      name: "a certificate of the client",
      args: [...identity, demanding.url],
      how: { permissions: [net(demanding.url), `-R=${CERTS}`] },
    },
    {
      name: "… through a proxy",
      args: [...identity, "--proxy", tunnel.url, demanding.url],
      how: { permissions: [net(tunnel.url), `-R=${CERTS}`] },
    },
    {
      name: "no certificate of the client, where one is demanded",
      args: ["--ca", CA, demanding.url],
      how: { permissions: [net(demanding.url), `-R=${CERTS}`] },
      code: 1,
      says: /^Cannot connect(?: to \S+)?: /, // an alert, or the end of TCP
    },
    {
      name: "a redirect",
      args: ["--max-redirects", "1", moved.url],
      how: { permissions: [net(moved.url, server.url)] },
    },
  ];
  const run = ({ args, how }: typeof cases[0]) =>
    runCli(["--once", ...args], { ...how, stdin: "hi\n" });
  await checkEach(t, cases, run, (run, { code = 0, says = /^$/ }) => {
    assertMatch(run.stderr, says);
    assertEquals([run.code, run.stdout], [code, code === 0 ? "hi\n" : ""]);
  });
  assertEquals([proxy, tunnel, strict].map(({ targets }) => targets.length), [2, 1, 3]);
});

Deno.test("connect: Deno's own server", async () => {
  await using server = Deno.serve({ ...LOCAL, onListen: () => {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
  const url = `ws://127.0.0.1:${server.addr.port}/`;
  const { code, stdout } = await runCli(["--once", url], { stdin: "hi\n" });
  assertEquals([code, stdout], [0, "hi\n"]);
});

Deno.test({
  ...needsNode("connect: npm ws on Node, with headers, a subprotocol, a ping, and its Close"),
  async fn() {
    const module = import.meta.resolve("npm:ws@8.23.0"); // as in tests/peers
    await import("npm:ws@8.23.0");
    await using server = await servePeer("node", "node_peer.mjs", "ws-server", module);
    const { code, stdout, stderr } = await runCli(
      ["-v", "--commands", "-H", "x-test: a header", "--protocol", "v1"].concat(
        `ws://127.0.0.1:${server.port}/`,
      ),
      { stdin: "!header\n/ping\n!fragments\n!close\n" },
    );
    assertEquals(code, 3);
    assertMatch(stdout, /^\S+ \[text 8 B\] a header\n\S+ \[text \d+ B\] part 0 é .*end\n$/);
    assertMatch(stderr, /^Connected to \S+ \(rfc6455, subprotocol v1\)\n\S+ Pong after .* ms\n/);
    assertStringIncludes(stderr, 'Closed with 4002 "server says bye"\n');
  },
});

Deno.test("connect: SIGINT and SIGTERM close with 1000, and exit as shells expect", async () => {
  const ends: unknown[] = [];
  await using server = wsServe(async (conn) => {
    await conn.send("welcome");
    ends.push(await conn.finished);
  }, LOCAL);
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await using running = startCli([server.url]);
    await running.until(/welcome/);
    running.child.kill(signal);
    assertEquals((await running.end()).code, code);
    assertEquals(ends.pop(), { code: 1000, reason: "", wasClean: true });
  }
});

Deno.test("connect: a second SIGINT does not wait for a server that does not answer the Close", async () => {
  using listener = Deno.listen(LOCAL);
  await using running = startCli([`ws://127.0.0.1:${listener.addr.port}/`]);
  using peer = await RawPeer.accept(listener);
  await peer.send(Opcode.Text, "welcome");
  await running.until(/welcome/);
  running.child.kill("SIGINT");
  assertEquals((await peer.next())?.[0], 0x88);
  running.child.kill("SIGINT");
  const began = performance.now();
  assertEquals((await running.end()).code, 130);
  assert(performance.now() - began < 9000, "not the 10 s of closeTimeout");
});

Deno.test("connect: SIGINT while it is connecting", async () => {
  using listener = Deno.listen(LOCAL);
  await using running = startCli([`ws://127.0.0.1:${listener.addr.port}/`]);
  using _conn = await listener.accept();
  running.child.kill("SIGINT");
  assertEquals((await running.end()).code, 130);
});
