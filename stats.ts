/** What passes over connections, in numbers. */

/** What has gone one way. */
export interface Traffic {
  /**
   * Whole messages, whichever call sent or received them: those sent count once their last byte is framed, those received
   * once they are complete, even if nobody has taken them yet. Pings, Pongs and Closes are none.
   */
  messages: number;
  /** The bytes of those messages as the application gives and gets them, before compression; of text, its UTF-8. */
  bytes: number;
  /**
   * The bytes of all frames, control frames and headers included, as they were written to or read from the transport:
   * compressed, but before TLS, and without the opening handshake. What is read last may be a part of a frame.
   */
  wireBytes: number;
}

/** What has passed over one connection: see `conn.stats`. */
export interface WsConnStats {
  /** What this side has sent. */
  sent: Traffic;
  /** What has arrived. */
  received: Traffic;
  /**
   * How long the last Ping that was answered took, in milliseconds, be it one of `ping()` or of `pingInterval`;
   * `undefined` before the first.
   */
  roundTripTime: number | undefined;
}

/** What a server has done since it began to listen: see `server.stats`. */
export interface WsServerStats {
  /** Connections that were opened, those that have ended since included. */
  accepted: number;
  /**
   * Connections that became no WebSocket: their handshake failed, or was refused, or there were `maxConnections`
   * already. Not those that `onRequest` answered.
   */
  refused: number;
  /** Connections that are open, or closing. */
  open: number;
  /** What the server has sent, over all its connections, those that have ended included. */
  sent: Traffic;
  /** What has arrived at it. */
  received: Traffic;
}

/** What has stats: a connection. */
interface Counted {
  readonly stats: WsConnStats;
}

/** What a server remembers of the connections that it no longer has. */
export class Tally {
  accepted = 0;
  refused = 0;
  readonly #sent = noTraffic();
  readonly #received = noTraffic();

  /** A connection has ended. */
  ended({ stats }: Counted): void {
    add(this.#sent, stats.sent);
    add(this.#received, stats.received);
  }

  /** All that the server has done, with the connections that are `open`. */
  stats(open: ReadonlySet<Counted>): WsServerStats {
    const sent = { ...this.#sent };
    const received = { ...this.#received };
    for (const { stats } of open) {
      add(sent, stats.sent);
      add(received, stats.received);
    }
    return { accepted: this.accepted, refused: this.refused, open: open.size, sent, received };
  }
}

function noTraffic(): Traffic {
  return { messages: 0, bytes: 0, wireBytes: 0 };
}

function add(sum: Traffic, more: Traffic): void {
  sum.messages += more.messages;
  sum.bytes += more.bytes;
  sum.wireBytes += more.wireBytes;
}
