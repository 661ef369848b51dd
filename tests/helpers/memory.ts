/** A listener whose connections are pairs of streams in memory. */
export class MemoryListener implements Deno.Listener {
  readonly addr: Deno.NetAddr = { transport: "tcp", hostname: "memory", port: 0 };
  readonly #conns = new TransformStream<Deno.Conn, Deno.Conn>();
  readonly #writer = this.#conns.writable.getWriter();
  readonly #reader = this.#conns.readable.getReader();

  connect(): Deno.Conn {
    const up = new TransformStream<Uint8Array, Uint8Array>();
    const down = new TransformStream<Uint8Array, Uint8Array>();
    void this.#writer.write(memoryConn(up.readable, down.writable));
    return memoryConn(down.readable, up.writable);
  }

  async accept(): Promise<Deno.Conn> {
    const { value, done } = await this.#reader.read();
    if (done) throw new Deno.errors.BadResource("Listener has been closed");
    return value;
  }

  close(): void {
    this.#writer.close().catch(() => {});
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Deno.Conn> {
    for (;;) yield await this.accept();
  }

  ref(): void {}
  unref(): void {}
  [Symbol.dispose](): void {
    this.close();
  }
}

function memoryConn(
  readable: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
): Deno.Conn {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  const addr: Deno.NetAddr = { transport: "tcp", hostname: "memory", port: 0 };
  let rest = new Uint8Array(0);
  const end = () => {
    writer.close().catch(() => {});
    reader.cancel().catch(() => {});
  };
  return {
    localAddr: addr,
    remoteAddr: addr,
    async read(into: Uint8Array) {
      if (rest.length === 0) {
        const { value, done } = await reader.read();
        if (done) return null;
        rest = value.slice();
      }
      const length = Math.min(into.length, rest.length);
      into.set(rest.subarray(0, length));
      rest = rest.subarray(length);
      return length;
    },
    async write(bytes: Uint8Array) {
      await writer.write(bytes.slice());
      return bytes.length;
    },
    async closeWrite() {
      await writer.close();
    },
    close: end,
    [Symbol.dispose]: end,
  } as unknown as Deno.Conn;
}
