/** The Pings of one connection that wait for their Pongs (RFC 6455 §5.5.2–3). */
export class Pings {
  readonly #waiting: { id: number; sent: number; pong: PromiseWithResolvers<number> }[] = [];
  #count = 0;

  /** A new Ping: the payload to send, and the promise of its round-trip time in ms. */
  next(): { payload: Uint8Array; pong: Promise<number> } {
    const id = this.#count = this.#count + 1 >>> 0;
    const pong = Promise.withResolvers<number>();
    pong.promise.catch(() => {}); // a ping that nobody awaits must not end the program
    this.#waiting.push({ id, sent: performance.now(), pong });
    return { payload: Uint8Array.of(id >>> 24, id >>> 16, id >>> 8, id), pong: pong.promise };
  }

  /**
   * A Pong arrives `now`. RFC 6455 §5.5.3: an unsolicited one needs no response, and one may answer all the Pings before
   * the one whose payload it has. Returns when that one was sent.
   */
  answered(payload: Uint8Array, now: number): number | undefined {
    const id = payload.length === 4
      ? (payload[0]! << 24 | payload[1]! << 16 | payload[2]! << 8 | payload[3]!) >>> 0
      : -1;
    const index = this.#waiting.findIndex((ping) => ping.id === id);
    const answered = this.#waiting.splice(0, index + 1);
    for (const { sent, pong } of answered) pong.resolve(now - sent);
    return answered.at(-1)?.sent;
  }

  /** The connection has ended: no more Pongs will come. */
  end(error: Error): void {
    for (const { pong } of this.#waiting.splice(0)) pong.reject(error);
  }
}
