import type { Socket } from "node:net";

/** The addresses of a connection's ends. */
interface Ends {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
}

/** A connection of node:net or node:tls as one of Deno: for what nothing that Deno has can do. Somebody has to listen to its errors. */
export class NodeConn implements Deno.Conn {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(socket: Socket, { localAddr, remoteAddr }: Ends) {
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
