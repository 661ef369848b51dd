import { once } from "node:events";
import net from "node:net";

/** A connection of node:net as one of Deno, for the sake of `reset`: nothing else that Deno has can send RST. */
export class NodeConn implements Deno.Conn {
  readonly #socket: net.Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#socket.setNoDelay();
    this.#socket.on("error", () => {}); // read and write throw it
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  static async connect(port: number, hostname: string): Promise<NodeConn> {
    const socket = net.connect(port, hostname);
    await once(socket, "connect");
    return new NodeConn(socket);
  }

  get localAddr(): Deno.NetAddr {
    const { localAddress = "", localPort = 0 } = this.#socket;
    return { transport: "tcp", hostname: localAddress, port: localPort };
  }

  get remoteAddr(): Deno.NetAddr {
    const { remoteAddress = "", remotePort = 0 } = this.#socket;
    return { transport: "tcp", hostname: remoteAddress, port: remotePort };
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
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Ends TCP with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get readable(): never {
    throw new TypeError("Only read and write are there");
  }

  get writable(): never {
    throw new TypeError("Only read and write are there");
  }

  ref(): void {}
  unref(): void {}
}
