/** How a connection to a server comes about, before anything is said to it: TCP, TLS, Unix sockets, proxies. */
import { type Expected, readAnswer } from "./answer.ts";
import { environmentProxy } from "./handshake/environment.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { checkedHeaders } from "./handshake/head.ts";
import { formatConnect, parseProxy } from "./handshake/proxy.ts";
import { assertNoReserved } from "./handshake/rfc6455.ts";
import { hostOf, portOf } from "./handshake/url.ts";
import { closeNow, saying, sendAtOnce, writeAll } from "./transport.ts";

/** How a client gets to the server. */
export interface WsDialOptions {
  /**
   * The HTTP proxy to go through, which is asked for a tunnel with `CONNECT`
   * ({@link https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6 | RFC 9110 §9.3.6}), for `ws:` and `wss:` alike: its URL,
   * `http:` or `https:`, with the user name and password for it if it wants them; or "none".
   *
   * The default is "environment", as with Deno's `fetch` and `WebSocket`: the one in `https_proxy` for `wss:`, in `http_proxy` for
   * `ws:`, or else in `all_proxy`, unless `no_proxy` lists the server; all four in upper case too. A WebSocket is not to
   * need more permissions for this: the variables are read if the program may read them anyway
   * (`--allow-env=HTTPS_PROXY,NO_PROXY`, say), nobody is asked, and without the permission there is no proxy. This machine
   * itself (localhost, 127.0.0.0/8, ::1) is never reached through a proxy of the environment, and `HTTP_PROXY` does not
   * count where `REQUEST_METHOD` is set (CVE-2016-5385).
   *
   * `no_proxy` lists, with commas or spaces between them: `*` for everything; names, each standing for all names under it
   * too, with or without a dot or `*.` in front; addresses; networks such as `10.0.0.0/8`; each but `*` and networks
   * with `:port` behind it for that port alone. Names are not looked up.
   */
  proxy?: string | URL | "environment" | "none" | undefined;
  /** Headers for the proxy alone, such as `Proxy-Authorization`, which stands before the user name and password in its URL. */
  proxyHeaders?: HeadersInit | undefined;
  /**
   * The path of a Unix socket to connect to. The URL then only says what is asked for there. Needs `--allow-read` and
   * `--allow-write` for the path and `--allow-net=unix:` with it, as an absolute one, behind the colon. Not together with
   * `proxy`.
   */
  unix?: string | undefined;
  /**
   * A connection to use as it is rather than making one: a tunnel, TLS of your own. It belongs to the WebSocket once the
   * arguments are found to be in order, and is closed if the handshake fails. Not together with `proxy` or `unix`.
   */
  conn?: Deno.Conn | undefined;
  /**
   * Certificates (PEM) to trust besides those that Deno trusts (Mozilla's, or what `DENO_TLS_CA_STORE` and `--cert` say),
   * for `wss:` and for a proxy with `https:`.
   */
  caCerts?: string[] | undefined;
  /**
   * The certificate (PEM) that this client shows the server, for `wss:`; goes with `key`. A proxy is not shown it.
   */
  cert?: string | undefined;
  /** The private key (PEM) of `cert`. */
  key?: string | undefined;
}

/** {@linkcode WsDialOptions}, checked. */
export interface Route {
  readonly proxy: URL | "environment" | "none";
  readonly proxyHeaders: Headers;
  readonly unix: string | undefined;
  readonly conn: Deno.Conn | undefined;
  readonly caCerts: string[];
  /** The client's certificate and its key. */
  readonly identity: { cert: string; key: string } | undefined;
}

/** One attempt to connect. */
export interface Attempt {
  /** Calls it off. */
  signal: AbortSignal;
  /** Is told of each connection as soon as it has to be closed on failure. Throws if it was called off meanwhile. */
  onConn(conn: Deno.Conn): void;
}

/** A connection, and what has been read from it already. */
export interface Dialed {
  conn: Deno.Conn;
  rest: Uint8Array;
}

const NONE = new Uint8Array(0);

/** RFC 9110 §9.3.6: any status of 2xx says that the tunnel is there, and no body follows. */
const TUNNEL: Expected = {
  who: "proxy",
  accepts: (status) => status >= 200 && status < 300,
};

/** Checks the options; throws if they contradict one another. */
export function checkRoute(options: WsDialOptions): Route {
  const { proxy = "environment", unix, conn, caCerts = [], cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(
      `Cannot show a certificate with only "${cert ? "cert" : "key"}": it takes both`,
    );
  }
  const isNamed = proxy !== "environment" && proxy !== "none";
  const ways = Object.entries({ proxy: isNamed ? proxy : undefined, unix, conn })
    .flatMap(([name, way]) => way === undefined ? [] : `"${name}"`);
  if (ways.length > 1) {
    throw new TypeError(`Cannot connect with ${ways.join(" and ")}: one at most`);
  }
  const proxyHeaders = checkedHeaders(options.proxyHeaders);
  assertNoReserved(proxyHeaders);
  if (proxyHeaders.has("host")) throw new TypeError("Cannot set header host for the proxy");
  return {
    proxy: isNamed ? parseProxy(proxy, 'the option "proxy"') : proxy,
    proxyHeaders,
    unix,
    conn,
    caCerts,
    identity: cert === undefined || key === undefined ? undefined : { cert, key },
  };
}

/** Connects to the server of `url`: up to where its opening request can be sent. */
export async function dial(url: URL, route: Route, attempt: Attempt): Promise<Dialed> {
  const { conn, unix } = route;
  if (conn !== undefined) {
    attempt.onConn(conn);
    sendAtOnce(conn);
    return { conn, rest: NONE };
  }
  const proxy = unix === undefined ? await proxyFor(url, route) : undefined;
  attempt.signal.throwIfAborted(); // what listens from here on hears only of what is yet to come
  const tunnel = proxy && await dialProxy(proxy, url, route, attempt);
  if (tunnel !== undefined && url.protocol === "ws:") return tunnel;
  const dialing = () => dialServer(url, tunnel?.conn, route, attempt);
  return { conn: await naming(unix ?? url.host, dialing, attempt), rest: NONE };
}

/** Connects to the server itself, through the tunnel if there is one: TCP or a Unix socket, and TLS on top. */
async function dialServer(
  url: URL,
  tunnel: Deno.Conn | undefined,
  route: Route,
  attempt: Attempt,
): Promise<Deno.Conn> {
  const { unix, identity } = route;
  const isSecure = url.protocol === "wss:";
  if (isSecure && unix === undefined && tunnel === undefined && identity !== undefined) {
    return await dialTls(url, route, identity, attempt);
  }
  const below = tunnel ??
    (unix === undefined ? await dialTcp(url, attempt) : await dialUnix(unix, attempt));
  return isSecure ? await secure(below, url, route, attempt) : below;
}

/** What `dialing` gives; if it fails, the error says where to, which Deno's do not. */
async function naming<T>(
  where: string,
  dialing: () => Promise<T>,
  { signal }: Attempt,
): Promise<T> {
  try {
    return await dialing();
  } catch (error) {
    throw signal.aborted ? error : saying(`Cannot connect to ${where}`, error);
  }
}

async function dialTcp(url: URL, { signal, onConn }: Attempt): Promise<Deno.TcpConn> {
  const canceller = new AbortController();
  // Deno loses a connection that is made but not yet told of when its signal comes. At the end of a turn, which of all
  // that Deno has is `setImmediate` alone, all are told of.
  const onAbort = () => void setImmediate(() => canceller.abort(signal.reason));
  signal.addEventListener("abort", onAbort);
  try {
    const options = { hostname: hostOf(url), port: portOf(url), signal: canceller.signal };
    const conn = await Deno.connect(options);
    onConn(conn);
    sendAtOnce(conn);
    return conn;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function dialUnix(path: string, attempt: Attempt): Promise<Deno.Conn> {
  return await unlessLate(Deno.connect({ transport: "unix", path }), attempt);
}

/** Deno.startTls takes no client certificate: Deno.connectTls does. */
async function dialTls(
  url: URL,
  { caCerts }: Route,
  identity: { cert: string; key: string },
  attempt: Attempt,
): Promise<Deno.Conn> {
  const options = { hostname: hostOf(url), port: portOf(url), caCerts, ...identity };
  const conn = await unlessLate(Deno.connectTls(options), attempt);
  await conn.handshake();
  return conn;
}

/** What is connecting without a signal: if it comes too late, it is closed. */
async function unlessLate<C extends Deno.Conn>(
  connecting: Promise<C>,
  { signal, onConn }: Attempt,
): Promise<C> {
  connecting.then((conn) => signal.aborted && closeNow(conn), () => {});
  const conn = await orAbort(connecting, signal);
  onConn(conn);
  return conn;
}

/** `promise`, unless `signal` is aborted before it settles. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  return Promise.race([promise, aborted]);
}

/** TLS with the host of `url` on a connection that is there. */
async function secure(
  conn: Deno.Conn,
  url: URL,
  { caCerts, identity }: Route,
  { signal, onConn }: Attempt,
): Promise<Deno.Conn> {
  const hostname = hostOf(url);
  if (isTcp(conn) && identity === undefined) {
    const tls = await Deno.startTls(conn, { hostname, caCerts });
    onConn(tls);
    await tls.handshake();
    return tls;
  }
  const { startTlsOver } = await import("./tls.ts");
  signal.throwIfAborted();
  const tls = await startTlsOver(conn, hostname, caCerts, identity);
  onConn(tls);
  return tls;
}

/** Neither TLS nor a Unix socket. */
function isTcp(conn: Deno.Conn): conn is Deno.TcpConn {
  return "setNoDelay" in conn;
}

/** A tunnel to the host of `url`. */
async function dialProxy(
  proxy: URL,
  url: URL,
  route: Route,
  attempt: Attempt,
): Promise<Dialed> {
  const request = formatConnect(url, proxy, route.proxyHeaders);
  const conn = await reachProxy(proxy, route, attempt);
  await writeAll(conn, request);
  const { response, rest } = await readAnswer(conn, TUNNEL);
  // in TLS a server does not speak first: the proxy has
  if (url.protocol === "wss:" && rest.length > 0) {
    const { status, headers } = response;
    throw new WsHandshakeError(status, `The proxy sent ${rest.length} bytes before TLS began`, {
      headers,
    });
  }
  return { conn, rest };
}

/** Its errors name the proxy: otherwise one would look for the fault at the server. */
function reachProxy(proxy: URL, route: Route, attempt: Attempt): Promise<Deno.Conn> {
  return naming(`the proxy ${proxy.host}`, async () => {
    const tcp = await dialTcp(proxy, attempt);
    return proxy.protocol === "https:"
      ? await secure(tcp, proxy, { ...route, identity: undefined }, attempt)
      : tcp;
  }, attempt);
}

async function proxyFor(url: URL, { proxy }: Route): Promise<URL | undefined> {
  if (proxy === "none") return undefined;
  return proxy === "environment" ? await environmentProxy(url, readEnvironment) : proxy;
}

function readEnvironment(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}
