/** An HTTP proxy that makes tunnels (RFC 9110 §9.3.6), and can be told to answer whatever a bad one would. */
import { HeadReader, type RequestHead } from "../../handshake/head.ts";
import { closeNow, readHead, writeAll } from "../../transport.ts";
import { LOCAL } from "./sockets.ts";
import { bytesOf } from "./bytes.ts";

export interface ProxyOptions {
  /** Speaks TLS to its clients. */
  tls?: { cert: string; key: string };
  /** Refuses whoever does not send this as Proxy-Authorization. */
  authorization?: string;
  /** Where its tunnels lead, rather than where they are to. */
  to?: { hostname: string; port: number };
  /** What it answers with, piece by piece, rather than with 200; the tunnel is made all the same. */
  answer?: string | Uint8Array[];
  /** What becomes of the connection behind the answer. Default: "tunnel". */
  then?: "tunnel" | "close" | "wait";
}

export class ConnectProxy implements AsyncDisposable {
  /** The requests that came, in order. */
  readonly requests: RequestHead[] = [];
  readonly url: string;
  readonly #listener: Deno.Listener<Deno.Conn<Deno.NetAddr>>;
  readonly #options: ProxyOptions;
  readonly #conns = new Set<Deno.Conn>();
  readonly #served: Promise<void>[] = [];

  constructor(options: ProxyOptions = {}) {
    this.#options = options;
    const { tls } = options;
    this.#listener = tls ? Deno.listenTls({ ...LOCAL, ...tls }) : Deno.listen(LOCAL);
    const { port } = this.#listener.addr as Deno.NetAddr;
    this.url = `http${tls ? "s" : ""}://127.0.0.1:${port}`;
    this.#served.push(this.#accept());
  }

  /** The targets asked for. */
  get targets(): string[] {
    return this.requests.map(({ target }) => target);
  }

  /** Waits for the end of all tunnels, for as long as their clients take. */
  async ended(): Promise<void> {
    const [_accepting, ...tunnels] = this.#served;
    await Promise.all(tunnels);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.#conns.add(conn);
      // a client that hangs up, or is turned away, is no failure of the proxy
      this.#served.push(this.#serve(conn).catch(() => {}).finally(() => closeNow(conn)));
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const reader = new HeadReader();
    if (!await readHead(client, reader)) return;
    const request = reader.request();
    this.requests.push(request);
    const { authorization, answer, then = "tunnel" } = this.#options;
    if (authorization && request.headers.get("proxy-authorization") !== authorization) {
      const refusal = 'Proxy-Authenticate: Basic realm="test"\r\nContent-Length: 7\r\n\r\nWho is?';
      return writeAll(client, bytesOf(`HTTP/1.1 407 Proxy Authentication Required\r\n${refusal}`));
    }
    if (then !== "tunnel") {
      await this.#answer(client, answer);
      const buffer = new Uint8Array(1024);
      while (then === "wait" && await client.read(buffer) !== null);
      return;
    }
    const [, hostname = "", port] = request.target.match(/^\[?(.*?)\]?:(\d+)$/) ?? [];
    const to = this.#options.to ?? { hostname, port: Number(port) };
    const server = await Deno.connect({ hostname: to.hostname, port: to.port });
    this.#conns.add(server);
    try {
      await this.#answer(client, answer);
      await Promise.all([pump(client, server), pump(server, client)]);
    } finally {
      closeNow(server);
    }
  }

  async #answer(
    client: Deno.Conn,
    answer: string | Uint8Array[] = "HTTP/1.1 200 Connection established\r\n\r\n",
  ): Promise<void> {
    if ("setNoDelay" in client) (client as Deno.TcpConn).setNoDelay();
    for (const piece of typeof answer === "string" ? [bytesOf(answer)] : answer) {
      await writeAll(client, piece);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) closeNow(conn);
    await Promise.all(this.#served);
  }
}

/** Passes on all that comes, and the end of it; a failure ends both ways. */
async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  try {
    for (;;) {
      const length = await from.read(buffer);
      if (length === null) return await to.closeWrite();
      await writeAll(to, buffer.subarray(0, length));
    }
  } catch {
    closeNow(from);
    closeNow(to);
  }
}
