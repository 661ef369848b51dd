/** How a connection to a server comes about, before anything is said on it: TCP and TLS. */
import { closeNow, sendAtOnce } from "./transport.ts";

/** What TLS to a server may need. */
export interface TlsOptions {
  caCerts?: string[] | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

/** Connects TCP and, for `wss:`, TLS. Tells `onConn` of each connection as soon as it has to be closed on failure. */
export async function dial(
  url: URL,
  { caCerts, cert, key }: TlsOptions,
  signal: AbortSignal,
  onConn: (conn: Deno.Conn) => void,
): Promise<Deno.Conn> {
  const secure = url.protocol === "wss:";
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? secure ? 443 : 80 : Number(url.port);
  const tls = { hostname, ...(caCerts === undefined ? {} : { caCerts }) };
  if (secure && cert !== undefined && key !== undefined) {
    // Deno.startTls takes no client certificate. Deno.connectTls takes no signal: what comes too late is closed.
    const connecting = Deno.connectTls({ ...tls, port, cert, key });
    connecting.then((conn) => signal.aborted && closeNow(conn), () => {});
    const conn = await orAbort(connecting, signal);
    onConn(conn);
    await conn.handshake();
    return conn;
  }
  const tcp = await Deno.connect({ hostname, port, signal });
  onConn(tcp);
  sendAtOnce(tcp);
  if (!secure) return tcp;
  const conn = await Deno.startTls(tcp, tls);
  onConn(conn);
  signal.throwIfAborted();
  await conn.handshake();
  return conn;
}

/** `promise`, unless `signal` is aborted before it settles. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  return Promise.race([promise, aborted]);
}
