/** Ways to a server other than TCP: Unix sockets, certificates, and what the permissions and the environment say. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  wsConnect,
  type WsConnectOptions,
  WsHandshakeError,
  wsServe,
  type WsServer,
} from "../mod.ts";
import { certs } from "./helpers/certs.ts";
import { demandingServer } from "./helpers/demanding.ts";
import { ConnectProxy } from "./helpers/proxy.ts";
import { LOCAL } from "./helpers/sockets.ts";

const trusted = { caCerts: [certs.ca] };

/** A folder that is there as long as it is needed. */
async function tempDir(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A server on a Unix socket that says which Host and path it was asked for, or redirects `/to` somewhere. */
function serveUnix(path: string, to = "/there"): WsServer {
  return wsServe<string>((conn, asked) => conn.send(asked), {
    listen: () => Deno.listen({ transport: "unix", path }),
    connHeaders: (line, headers) =>
      line.includes("/to ")
        ? new Response(null, { status: 302, headers: { location: to } })
        : { state: `${headers.get("host")}${line.split(" ")[1]}` },
  });
}

/** Passes on what comes to a Unix socket to a TCP port. */
function forward(path: string, port: number): AsyncDisposable {
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    for await (const conn of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      await Promise.allSettled([
        conn.readable.pipeTo(server.writable),
        server.readable.pipeTo(conn.writable),
      ]);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

Deno.test("unix: the URL says what is asked for, the path where", async () => {
  await using folder = await tempDir();
  const unix = `${folder.path}/socket`;
  await using _ = serveUnix(unix);
  // nor does a proxy of the environment count; one that is named would contradict it
  for (const proxy of [undefined, "environment", "none"]) {
    await using conn = await wsConnect("ws://some.host:81/path?query", { unix, proxy });
    assertEquals(await conn.recv(), "some.host:81/path?query");
  }
  await assertRejects(
    () => wsConnect("ws://host/", { unix: `${folder.path}/other` }),
    Deno.errors.NotFound,
  );
});

Deno.test("unix: redirects stay behind the socket", async () => {
  for (const [to, arrived] of [["/there", "host/there"], ["ws://host:80/x", "host/x"]] as const) {
    await using folder = await tempDir();
    const unix = `${folder.path}/socket`;
    await using _ = serveUnix(unix, to);
    await using conn = await wsConnect("ws://host/to", { unix, maxRedirects: 1 });
    assertEquals(await conn.recv(), arrived);
  }
  await using folder = await tempDir();
  const unix = `${folder.path}/socket`;
  await using _ = serveUnix(unix, "ws://127.0.0.1:1/");
  const error = await assertRejects(
    () => wsConnect("ws://host/to", { unix, maxRedirects: 1 }),
    WsHandshakeError,
    "only host is behind the Unix socket",
  );
  assertEquals(error.status, 302);
});

Deno.test("unix: TLS, with a client certificate too", async () => {
  await using echo = wsServe((conn) => conn.send("secret"), LOCAL);
  await using server = await demandingServer(echo.url);
  await using folder = await tempDir();
  const unix = `${folder.path}/socket`;
  await using _ = forward(unix, Number(new URL(server.url).port));
  const options = { unix, ...trusted, ...certs.client };
  const conn = await wsConnect("wss://localhost/", options);
  assertEquals(await conn.recv(), "secret");
  assertEquals(await conn.close(), { code: 1000, reason: "", wasClean: true });
  await assertRejects(() => wsConnect("wss://localhost/", { unix, ...trusted }));
  const error = await assertRejects(() => wsConnect("wss://other.host/", options), Error);
  assert(/certificate/i.test(error.message), error.message);
});

Deno.test("unix: a server that does not answer has as long as any other", async () => {
  await using folder = await tempDir();
  const path = `${folder.path}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  for (const url of ["ws://host/", "wss://host/"]) {
    const connecting = assertRejects(
      () => wsConnect(url, { unix: path, handshakeTimeout: 0.2 }),
      Deno.errors.TimedOut,
    );
    using conn = await listener.accept();
    await connecting;
    const buffer = new Uint8Array(4096);
    while (await conn.read(buffer).catch(() => null) !== null); // it is closed
  }
});

Deno.test("TLS that ends within its handshake is an error, whoever does it", async () => {
  for (const then of ["close", "wait"] as const) {
    for (const tls of [{}, { tls: certs.server }]) {
      for (const identity of [{}, certs.client]) {
        await using proxy = new ConnectProxy({ ...tls, then });
        const options = { proxy: proxy.url, ...trusted, ...identity };
        const timeout = then === "wait" ? { handshakeTimeout: 0.1 } : {};
        await assertRejects(() => wsConnect("wss://example.com/", { ...options, ...timeout }));
      }
    }
  }
});

Deno.test("what contradicts itself is thrown before anything is sent", async () => {
  using listener = Deno.listen(LOCAL);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  for (
    const [options, message] of [
      [{ unix: "/x", proxy: "http://p" }, 'Cannot connect with "proxy" and "unix": one at most'],
      [{ unix: "/x", conn }, '"unix" and "conn"'],
      [{ conn, proxy: new URL("http://p") }, '"proxy" and "conn"'],
      [{ headers: { "proxy-authorization": "x" } }, '"proxyHeaders" go to the proxy'],
      [{ proxyHeaders: { host: "x" } }, "Cannot set header host"],
      [{ proxyHeaders: { "content-length": "1" } }, "Cannot set header content-length"],
      [{ proxyHeaders: { "x-a": "a\r\nb: c" } }, "line break"],
      [{ proxy: "socks5://p" }, "its scheme must be http: or https:, current value is socks5:"],
      [{ proxy: "" }, 'the proxy of the option "proxy": it is not a URL'],
      [{ proxy: "http://a%:b@127.0.0.1:1" }, "malformed"],
    ] satisfies [WsConnectOptions, string][]
  ) {
    const error = await assertRejects(() => wsConnect("ws://127.0.0.1:1/", options), Error);
    assertStringIncludes(error.message, message);
    assert(error instanceof TypeError || error instanceof SyntaxError, error.name);
  }
});

/** Connects in a process of its own, with these permissions; returns the message that came, or the error. */
async function connectWith(
  permissions: string[],
  url: string,
  options: WsConnectOptions = {},
  env: Record<string, string> = {},
): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, script, url, JSON.stringify(options)],
    // Deno's own check for updates would go through the proxy too
    env: { ...NO_VARIABLES, ...env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
}

const script = new URL("helpers/connect.ts", import.meta.url).href;
const ca = new URL("../examples/certs/ca.pem", import.meta.url).pathname;
/** Whatever is set where the tests run. */
const NO_VARIABLES = Object.fromEntries(
  ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method"]
    .flatMap((name) => [[name, ""], [name.toUpperCase(), ""]]),
);

Deno.test("the environment's proxy is used where its variables may be read, and nobody is asked", async () => {
  await using server = wsServe((conn) => conn.send("through"), LOCAL);
  await using proxy = new ConnectProxy({ to: server.addr as Deno.NetAddr });
  const net = `--allow-net=${new URL(proxy.url).host}`; // the proxy alone
  const all = "--allow-env=http_proxy,HTTP_PROXY,all_proxy,ALL_PROXY,no_proxy,NO_PROXY";
  const url = "ws://example.test/";
  const env = { HTTP_PROXY: proxy.url };
  const direct =
    /^NotCapable: Cannot connect to example.test: Requires net access to "example.test:80"/;
  const runs: [string[], WsConnectOptions, Record<string, string>, string | RegExp][] = [
    [[net, all], {}, env, "through"],
    [[net, "--allow-env=ALL_PROXY"], { proxy: "environment" }, { ALL_PROXY: proxy.url }, "through"],
    [[net], {}, env, direct],
    [[net, all], { proxy: "none" }, env, direct],
    [[net, all], {}, { ...env, NO_PROXY: ".test" }, direct],
    [[net], { proxy: proxy.url }, {}, "through"],
  ];
  await Promise.all(runs.map(async ([permissions, options, env, expected]) => {
    const text = await connectWith(permissions, url, options, env);
    const what = `${permissions} ${JSON.stringify([options, env])}: ${text}`;
    assert(typeof expected === "string" ? text === expected : expected.test(text), what);
  }));
  assertEquals(proxy.targets, ["example.test:80", "example.test:80", "example.test:80"]);
});

Deno.test("through a proxy, only the proxy has to be allowed, and the usual certificates are trusted", async () => {
  await using server = wsServe((conn) => conn.send("through"), { ...LOCAL, ...certs.server });
  await using plain = new ConnectProxy({ to: server.addr as Deno.NetAddr });
  await using secure = new ConnectProxy({ to: server.addr as Deno.NetAddr, tls: certs.server });
  await Promise.all([plain, secure].map(async (proxy) => {
    const net = `--allow-net=${new URL(proxy.url).host}`;
    const options = { proxy: proxy.url, ...trusted };
    assertEquals(await connectWith([net], "wss://localhost/", options), "through");
    // caCerts stand beside what is trusted anyway, here by way of --cert
    const others = { proxy: proxy.url, caCerts: [certs.client.cert] };
    const permissions = [net, "--cert", ca];
    assertEquals(await connectWith(permissions, "wss://localhost/", others), "through");
  }));
});

Deno.test("no variable of the environment turns the check of certificates off", async () => {
  await using server = wsServe((conn) => conn.send("through"), { ...LOCAL, ...certs.server });
  await using proxy = new ConnectProxy({ to: server.addr as Deno.NetAddr });
  const options = { proxy: proxy.url, ...trusted };
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  for (const identity of [{}, certs.client]) { // with one, node:tls does it rather than Deno
    const url = "wss://other.host/";
    const text = await connectWith(["-NE"], url, { ...options, ...identity }, env);
    assert(/certificate/i.test(text), text);
  }
});

Deno.test("unix: the permissions that the documentation names are enough", async () => {
  await using folder = await tempDir();
  const unix = await Deno.realPath(folder.path) + "/socket";
  await using _ = serveUnix(unix);
  const permissions = [`--allow-net=unix:${unix}`, `--allow-read=${unix}`, `--allow-write=${unix}`];
  assertEquals(await connectWith(permissions, "ws://host/a", { unix }), "host/a");
});

Deno.test("an error says where it could not connect to", async () => {
  using listener = Deno.listen(LOCAL);
  const { port } = listener.addr;
  listener.close();
  for (
    const [url, options, where] of [
      [`ws://127.0.0.1:${port}/path`, {}, `127.0.0.1:${port}`],
      [`wss://127.0.0.1:${port}/path`, {}, `127.0.0.1:${port}`],
      [`wss://127.0.0.1:${port}/`, certs.client, `127.0.0.1:${port}`],
      ["ws://localhost/", { unix: "/no/such/socket" }, "/no/such/socket"],
      ["ws://localhost/", { proxy: `http://127.0.0.1:${port}` }, `the proxy 127.0.0.1:${port}`],
    ] as const
  ) {
    const error = await assertRejects(() => wsConnect(url, options), Error);
    assertMatch(error.message, new RegExp(`^Cannot connect to ${where}: [^:]+$`));
  }
});
