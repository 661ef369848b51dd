/** Connections for tests: a pair of this module's, and a raw peer that can do all that is forbidden. */
import { concat } from "@std/bytes";
import { wsAccept, type WsAcceptOptions, type WsConn, wsConnect } from "../../mod.ts";
import type { WsConnectOptions } from "../../mod.ts";
import { encodeFrame, type FrameOptions, readFrameHeader, type Role } from "../../framing/mod.ts";
import { applyMask } from "../../framing/mask.ts";
import { HeadReader } from "../../handshake/head.ts";
import { acceptKey } from "../../handshake/challenge.ts";
import { readHead } from "../../transport.ts";

export const LOCAL = { hostname: "127.0.0.1", port: 0 } as const;

/** A handler that sends back what it receives. */
export async function echo(conn: WsConn): Promise<void> {
  for await (const message of conn) await conn.send(message);
}

/** Both ends of one connection of this module, over TCP. */
export async function pair(
  accept: WsAcceptOptions = {},
  connect: WsConnectOptions = {},
): Promise<{ server: WsConn; client: WsConn }> {
  using listener = Deno.listen(LOCAL);
  const [server, client] = await Promise.all([
    listener.accept().then((conn) => wsAccept(conn, accept)),
    wsConnect(`ws://127.0.0.1:${listener.addr.port}/`, connect),
  ]);
  return { server, client };
}

/** A peer by hand: it sends whatever bytes it is told to, and reads frame by frame. */
export class RawPeer implements Disposable {
  readonly #role: Role;
  #received: Uint8Array;

  constructor(readonly conn: Deno.TcpConn, role: Role, received: Uint8Array) {
    this.#role = role;
    this.#received = received;
    conn.setNoDelay();
  }

  /** A raw client of the server at `addr`. */
  static async connect(addr: Deno.Addr, headers: string[] = []): Promise<RawPeer> {
    const conn = await Deno.connect({ ...(addr as Deno.NetAddr), transport: "tcp" });
    const lines = [
      "GET / HTTP/1.1",
      "Host: localhost",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      ...headers,
    ];
    await conn.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
    const reader = new HeadReader();
    await readHead(conn, reader);
    return new RawPeer(conn, "client", reader.rest.slice());
  }

  /** A raw server for the next client of `listener`. */
  static async accept(
    listener: Deno.TcpListener,
    behind: Uint8Array = new Uint8Array(),
    headers: string[] = [],
  ): Promise<RawPeer> {
    const conn = await listener.accept();
    const reader = new HeadReader();
    await readHead(conn, reader);
    const accept = acceptKey(reader.request().headers.get("sec-websocket-key")!);
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept}`,
      ...headers,
    ];
    const head = new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n");
    await conn.write(concat([head, behind]));
    return new RawPeer(conn, "server", reader.rest.slice());
  }

  /** A raw peer of one connection of this module. */
  static async against(
    role: "client" | "server",
    options: WsAcceptOptions & WsConnectOptions = {},
  ): Promise<{ peer: RawPeer; conn: WsConn }> {
    using listener = Deno.listen(LOCAL);
    const [peer, conn] = await Promise.all(
      role === "client"
        ? [
          RawPeer.connect(listener.addr),
          listener.accept().then((conn) => wsAccept(conn, options as WsAcceptOptions)),
        ]
        : [
          RawPeer.accept(listener),
          wsConnect(`ws://127.0.0.1:${listener.addr.port}/`, options as WsConnectOptions),
        ],
    );
    return { peer, conn };
  }

  async write(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) bytes = bytes.subarray(await this.conn.write(bytes));
  }

  /** The bytes of a frame of this peer. */
  frame(opcode: number, payload: Uint8Array | string = "", options: FrameOptions = {}): Uint8Array {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    const maskKey = this.#role === "client" ? 0x12345678 : undefined;
    return encodeFrame(opcode, bytes, { maskKey, ...options });
  }

  async send(
    opcode: number,
    payload: Uint8Array | string = "",
    options: FrameOptions = {},
  ): Promise<void> {
    await this.write(this.frame(opcode, payload, options));
  }

  /** The next frame: its first byte and its payload; `null` at the end of TCP. */
  async next(): Promise<[number, Uint8Array] | null> {
    const header = { fin: false, rsv1: false, opcode: 0, length: 0, masked: false, maskKey: 0 };
    for (;;) {
      const bytes = this.#received;
      const size = readFrameHeader(bytes, 0, bytes.length, header);
      const end = size + header.length;
      if (size > 0 && bytes.length >= end) {
        const payload = bytes.slice(size, end);
        applyMask(payload, 0, payload.length, header.maskKey);
        this.#received = bytes.subarray(end);
        return [bytes[0]!, payload];
      }
      const buffer = new Uint8Array(1 << 16);
      const length = await this.conn.read(buffer);
      if (length === null) return null;
      this.#received = concat([bytes, buffer.subarray(0, length)]);
    }
  }

  /** Waits for the end of TCP, whatever comes before it. */
  async end(): Promise<void> {
    const buffer = new Uint8Array(1 << 16);
    while (await this.conn.read(buffer) !== null);
  }

  /** Makes TCP reset the connection rather than end it: closes it with bytes unread. */
  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch {
      // closed by the test
    }
  }
}
