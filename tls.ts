/**
 * TLS over any connection. Deno.startTls takes TCP alone and shows no client certificate; node:tls does both, at the cost
 * of its streams, so it is loaded where there is no other way: within a proxy's TLS, over a Unix socket, and with a client
 * certificate behind a proxy.
 */
import { once } from "node:events";
import { Duplex } from "node:stream";
import { connect, createSecureContext } from "node:tls";
import { NodeConn } from "./node_conn.ts";

/**
 * TLS on `conn`, which has to be closed if this fails.
 *
 * @param conn The connection below.
 * @param hostname What the server's certificate must be for: a name or an address.
 * @param caCerts What is trusted besides the certificates that Deno trusts.
 * @param identity The client's own certificate and key.
 */
export async function startTlsOver(
  conn: Deno.Conn,
  hostname: string,
  caCerts: readonly string[],
  identity?: { cert: string; key: string },
): Promise<Deno.Conn> {
  const secureContext = createSecureContext(identity);
  // the option `ca` would stand for those that Deno trusts, not beside them
  for (const pem of caCerts) secureContext.context.addCACert(pem);
  // where @types/node are about, their streams are types of their own
  const below = Duplex.fromWeb(conn as unknown as Parameters<typeof Duplex.fromWeb>[0]);
  const socket = connect({
    socket: below,
    host: hostname,
    secureContext,
    rejectUnauthorized: true, // by default NODE_TLS_REJECT_UNAUTHORIZED could turn it off
  });
  socket.on("error", () => {}); // whoever reads or writes is told
  await once(socket, "secureConnect");
  return new NodeConn(socket, conn);
}
