/** Each way in which `connect` can fail, its exit code, and what it says. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Opcode } from "../../framing/mod.ts";
import { type WsConn, wsServe, type WsServeOptions } from "../../mod.ts";
import { checkEach, type Run, runCli, type RunOptions } from "../helpers/cli.ts";
import { LOCAL, RawPeer } from "../helpers/sockets.ts";

interface Case extends RunOptions {
  name: string;
  /** The server, if the arguments are to end with the URL of one: how it handles a connection, or a raw one. */
  handle?: (conn: WsConn) => void | Promise<void>;
  options?: WsServeOptions;
  raw?: (listener: Deno.TcpListener) => Promise<void>;
  args?: string[];
  code: number;
  /** On standard error; "" if nothing is said. */
  says: RegExp | "";
}

const LICENSE = new URL("../../LICENSE", import.meta.url).pathname;

const untilEnd = (conn: WsConn) => conn.finished.then(() => {});

const redirect = () => new Response(null, { status: 302, headers: { location: "/again" } });

/** A raw server that sends one frame, and then waits for the end. */
function sending(opcode: number, payload = "") {
  return async (listener: Deno.TcpListener) => {
    using peer = await RawPeer.accept(listener);
    await peer.send(opcode, payload);
    await peer.end();
  };
}

const cases: Case[] = [
  // 0: all went well
  { name: "an end of input", handle: untilEnd, args: ["--wait", "0"], code: 0, says: "" },
  {
    name: "a server that closes with 1000",
    handle: (conn) => void conn.close(),
    code: 0,
    says: "",
  },
  { name: "… with 1001", handle: (conn) => void conn.close(1001), code: 0, says: "" },
  { name: "… without a code", handle: (conn) => void conn.close(1005), code: 0, says: "" },
  {
    name: "--once, and a server that just goes away after its answer",
    async raw(listener) {
      using peer = await RawPeer.accept(listener);
      await peer.send(Opcode.Text, "welcome");
      assertEquals((await peer.next())?.[0], 0x88);
    },
    args: ["--once"],
    code: 0,
    says: "",
  },
  {
    name: "an end of input in a draft",
    handle: untilEnd,
    args: ["--version", "hixie-76", "--wait", "0.1"],
    stdin: "hi\n",
    code: 0,
    says: "",
  },
  {
    name: "--once, and an answer with a Close of the server's own right behind",
    handle: async (conn) => {
      await conn.send("welcome");
      await conn.close(4001);
    },
    args: ["--once"],
    code: 0,
    says: "",
  },
  // 1: no connection, or none any more
  {
    name: "nobody listens",
    args: ["ws://127.0.0.1:1/"],
    code: 1,
    says: /^Cannot connect to \S+: .*refused/i,
  },
  {
    name: "no such host",
    args: ["ws://no-such-host.invalid/"],
    code: 1,
    says: /^Cannot connect(?: to \S+)?: /,
  },
  {
    name: "a refusal, with its body",
    handle: () => {},
    options: { connHeaders: () => new Response("go\naway", { status: 403 }) },
    code: 1,
    says: /^Cannot connect: The server refused the connection: 403 Forbidden: go\\naway\n$/,
  },
  {
    name: "a server that speaks no HTTP",
    async raw(listener) {
      using conn = await listener.accept();
      await conn.read(new Uint8Array(1024));
      await conn.write(new TextEncoder().encode("220 mail\x1b[2J.example.com\r\n\r\n"));
    },
    code: 1,
    says: /^Cannot connect: The server's answer is not HTTP/,
  },
  {
    name: "a server that closes TCP without an answer",
    raw: async (listener) => (await listener.accept()).close(),
    code: 1,
    says: /^Cannot connect(?: to \S+)?: /,
  },
  {
    name: "a server that vanishes",
    raw: async (listener) => (await RawPeer.accept(listener)).conn.close(),
    code: 1,
    says: /^The (peer ended the connection without a Close frame|connection was lost: .*)\n$/,
  },
  {
    name: "a frame that is not allowed",
    raw: sending(3),
    code: 1,
    says: /opcode 3/i,
  },
  {
    name: "a server that does not answer the Close",
    async raw(listener) {
      using peer = await RawPeer.accept(listener);
      assertEquals((await peer.next())?.[0], 0x88);
    },
    args: ["--wait", "0"],
    code: 1,
    says: /^The connection was lost: the server did not answer the Close\n$/,
  },
  {
    name: "no proxy there",
    args: ["--proxy", "http://127.0.0.1:1", "ws://a/"],
    code: 1,
    says: /^Cannot connect to the proxy 127\.0\.0\.1:1: .*refused/i,
  },
  {
    name: "no Unix socket there",
    args: ["--unix", "/no/such", "ws://a/"],
    permissions: ["-N", "-R", "-W"],
    code: 1,
    says: /^Cannot connect to \S+: No such file/,
  },
  {
    name: "a redirect, which is not followed",
    handle: () => {},
    options: { connHeaders: redirect },
    code: 1,
    says: /^Cannot connect: The server refused the connection: 302\n$/,
  },
  {
    name: "a redirect too many",
    handle: () => {},
    options: { connHeaders: redirect },
    args: ["--max-redirects", "1"],
    code: 1,
    says: /^Cannot follow another redirect: maxRedirects is 1/,
  },
  // 2: wrong usage (see usage_test.ts), no permission, wrong input
  { name: "no arguments", args: [], code: 2, says: "" },
  { name: "no URL", args: ["--once"], code: 2, says: /^The URL is missing\n/ },
  ...["ca", "key"].map((option): Case => ({
    name: `no permission to read the file of --${option}`,
    args: [`--${option}`, LICENSE, "wss://a"],
    code: 2,
    says: /: reading files takes a permission of its own: deno run -N --allow-read=\/.*LICENSE …\n/,
  })),
  {
    name: "no permission for the proxy",
    args: ["--proxy", "http://127.0.0.1:1", "ws://a"],
    permissions: ["-N=a"],
    code: 2,
    says: /^Cannot connect to the proxy 127\.0\.0\.1:1: Requires net access to "127\.0\.0\.1:1"/,
  },
  {
    name: "no permission for the environment",
    args: ["--proxy", "environment", "ws://a"],
    permissions: ["-N", "--allow-env=NO_PROXY"],
    code: 2,
    says: /^Cannot take the proxy of the environment: .* deno run -N --allow-env=HTTPS_PROXY,/,
  },
  {
    name: "--proxy none, and one in the environment that alone is permitted",
    args: ["--proxy", "none", "ws://a.test"],
    permissions: ["-N=127.0.0.1", "--allow-env=ALL_PROXY"],
    env: { ALL_PROXY: "http://127.0.0.1:1" },
    code: 2,
    says: /^Cannot connect to a\.test: Requires net access to "a\.test:80"/,
  },
  ...[["-N"], ["-R", "-W"]].map((permissions): Case => ({
    name: `only ${permissions.join(" ")} for a Unix socket`,
    args: ["--unix", "/no/such", "ws://a"],
    permissions,
    code: 2,
    says:
      /^Cannot connect to \S+: Requires (read|write|net) access .* \(a Unix socket takes --allow-read=PATH/,
  })),
  {
    name: "no permission for the network",
    handle: untilEnd,
    permissions: [],
    code: 2,
    says:
      /^Cannot connect to 127\.0\.0\.1:\d+: Requires net access to "127\.0\.0\.1:\d+".*--allow-net/,
  },
  {
    name: "input that is not UTF-8",
    handle: untilEnd,
    stdin: Uint8Array.of(0x61, 0xff, 0x0a),
    code: 2,
    says: /^Cannot send what is piped in: it is not UTF-8\n$/,
  },
  ...["/nothing", "/binary 0", "/close 1006", "/close abc", `/close 1000 ${"x".repeat(124)}`].map(
    (stdin): Case => ({
      name: `the command ${stdin.slice(0, 20)}`,
      handle: untilEnd,
      stdin,
      args: ["--commands"],
      code: 2,
      says: /^(Cannot|There is no command)/,
    }),
  ),
  {
    name: "a binary message in a draft that has none",
    handle: untilEnd,
    stdin: "/binary 00",
    args: ["--commands", "--version", "hixie-76"],
    code: 2,
    says: /^Cannot send/,
  },
  // 3: closed by the server
  {
    name: "a server that closes with a code of its own",
    handle: (conn) => void conn.close(4001, "no\x1b[2J more"),
    code: 3,
    says: /^Closed with 4001 "no\\x1b\[2J more"\n$/,
  },
  {
    name: "… with 1011",
    handle: (conn) => void conn.close(1011),
    code: 3,
    says: /^Closed with 1011\n$/,
  },
  {
    name: "a server that closes with 1000 before all is sent",
    handle: (conn) => void conn.close(),
    stdin: "line\n".repeat(200_000),
    code: 3,
    says: /^The server closed before all input was sent\nClosed with 1000\n$/,
  },
  // 4: no answer
  {
    name: "no message",
    handle: (conn) => void conn.close(),
    args: ["--once"],
    code: 4,
    says: /^No message/,
  },
  {
    name: "no message within --wait",
    handle: untilEnd,
    args: ["--once", "--wait", "0.1"],
    code: 4,
    says: /^No message arrived\n$/,
  },
];

async function outcome({ handle, options, raw, args = [], ...how }: Case): Promise<Run> {
  await using server = handle && wsServe(handle, { ...options, ...LOCAL });
  using listener = raw && Deno.listen(LOCAL);
  const served = listener && raw!(listener);
  const url = server?.url ?? (listener && `ws://127.0.0.1:${listener.addr.port}/`) ?? [];
  const run = await runCli(args.concat(url), how);
  await served;
  return run;
}

Deno.test("exit codes of connect", (t) =>
  checkEach(t, cases, outcome, (run, { code, says, handle }) => {
    assertEquals({ ...run, stdout: "" }, { ...run, stdout: "", code });
    if (says === "") assertEquals(run.stderr, "");
    else assertMatch(run.stderr, says);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(run.stderr), "nothing controls the terminal");
    if (code === 2 && handle === undefined && says !== "") {
      assertMatch(run.stderr, /\nHelp: deno run -N jsr:@wsconn\/ws\/cli --help\n$/);
    }
  }));
