/**
 * TLS over any connection. Deno.startTls takes TCP alone and shows no client certificate; node:tls does both, at the cost
 * of its streams, so it is loaded where there is no other way: within a proxy's TLS, over a Unix socket, and with a client
 * certificate behind a proxy.
 */
import { once } from "node:events";
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { connect, createSecureContext } from "node:tls";

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

type Addresses = Pick<Deno.Conn, "localAddr" | "remoteAddr">;

/** A connection of Node as one of Deno. */
export class NodeConn implements Deno.Conn {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(socket: Socket, { localAddr, remoteAddr }: Addresses) {
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
    this.#socket = socket;
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done) return null;
      this.#rest = value;
    }
    const part = this.#rest.subarray(0, into.length);
    into.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  // a WebSocket reads and writes

  get readable(): never {
    throw new TypeError("Cannot stream: only read and write are there");
  }

  get writable(): never {
    throw new TypeError("Cannot stream: only read and write are there");
  }
}
