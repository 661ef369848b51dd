/** What lets the runner know where the system under test stands. */

/** Rings whenever something has happened that somebody may wait for. */
export class Bell {
  #waiting: (() => void)[] = [];

  /** Lets everybody who waits look again. */
  ring(): void {
    this.#waiting.splice(0).forEach((look) => look());
  }

  /** Waits until something is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((look) => this.#waiting.push(look));
  }
}

/** A TCP connection that counts what passes: what the system under test is given in place of its socket. */
export class Meter implements Deno.Conn {
  /** Octets that have been read. */
  taken = 0;
  /** Octets that have been written. */
  written = 0;
  /** Whether it was closed. */
  closed = false;
  #reads = 0;
  #writes = 0;
  readonly #tcp: Deno.TcpConn;
  readonly #bell: Bell;

  constructor(tcp: Deno.TcpConn, bell: Bell) {
    this.#tcp = tcp;
    this.#bell = bell;
  }

  /** Whether its owner waits for more to read. */
  get reading(): boolean {
    return this.#reads > 0;
  }

  /** Whether its owner is writing. */
  get writing(): boolean {
    return this.#writes > 0;
  }

  /** Reads. */
  async read(into: Uint8Array): Promise<number | null> {
    this.#reads++;
    this.#bell.ring();
    try {
      const length = await this.#tcp.read(into);
      this.taken += length ?? 0;
      return length;
    } finally {
      this.#reads--;
    }
  }

  /** Writes. */
  async write(octets: Uint8Array): Promise<number> {
    this.#writes++;
    try {
      const length = await this.#tcp.write(octets);
      this.written += length;
      return length;
    } finally {
      this.#writes--;
      this.#bell.ring();
    }
  }

  /** Ends the half that is written to. */
  closeWrite(): Promise<void> {
    return this.#tcp.closeWrite();
  }

  /** Closes it. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#tcp.close();
    this.#bell.ring();
  }

  /** As that of `Deno.TcpConn`. */
  setNoDelay(noDelay?: boolean): void {
    this.#tcp.setNoDelay(noDelay);
  }

  get localAddr(): Deno.NetAddr {
    return this.#tcp.localAddr;
  }
  get remoteAddr(): Deno.NetAddr {
    return this.#tcp.remoteAddr;
  }
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#tcp.readable;
  }
  get writable(): WritableStream<Uint8Array<ArrayBufferLike>> {
    return this.#tcp.writable;
  }
  ref(): void {
    this.#tcp.ref();
  }
  unref(): void {
    this.#tcp.unref();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}
