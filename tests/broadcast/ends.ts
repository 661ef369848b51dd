/** Connections to broadcast on, of every kind, and their other ends. */
import {
  wsAccept,
  type WsAcceptOptions,
  type WsConn,
  wsConnect,
  type WsConnectOptions,
  type WsMessage,
} from "../../mod.ts";
import { LOCAL, RawPeer } from "../helpers/sockets.ts";
import { pause } from "../streams/helpers.ts";

/** What `broadcast` returns if there was nobody. */
export const NONE = { sent: 0, skipped: 0, closed: 0 };

/** A connection to broadcast on, its other end, and what it has written, write by write. */
export interface Ends {
  conn: WsConn;
  peer: WsConn;
  writes: { buffer: ArrayBufferLike; bytes: Uint8Array }[];
}

/** What a connection can be, as far as its frames are concerned. */
export interface Kind {
  name: string;
  accept?: WsAcceptOptions;
  connect?: WsConnectOptions;
  /** Whether it is the client's end that is broadcast on. */
  isClient?: boolean;
  textOnly?: boolean;
  /** Those that name the same send the very same bytes, compressed or not; absent: nobody else sends these. */
  long?: string;
  short?: string;
}

export const alone = { serverNoContextTakeover: true };
const PLAIN = { long: "plain", short: "plain" };

export const KINDS: Kind[] = [
  { name: "plain", ...PLAIN },
  { name: "the other end compresses", connect: { compression: true }, ...PLAIN },
  { name: "client", isClient: true },
  {
    name: "context takeover",
    accept: { compression: true },
    connect: { compression: true },
    short: "plain",
  },
  {
    name: "no context takeover",
    accept: { compression: alone },
    connect: { compression: true },
    long: "deflate",
    short: "plain",
  },
  {
    name: "no context takeover, asked for by the client",
    accept: { compression: true },
    connect: { compression: alone },
    long: "deflate",
    short: "plain",
  },
  {
    name: "a window of 10 bits",
    accept: { compression: alone },
    connect: { compression: { serverMaxWindowBits: 10 } },
    long: "window",
    short: "plain",
  },
  {
    name: "level 1",
    accept: { compression: { ...alone, level: 1 } },
    connect: { compression: true },
    long: "level",
    short: "plain",
  },
  {
    name: "memLevel 2",
    accept: { compression: { ...alone, memLevel: 2 } },
    connect: { compression: true },
    long: "memLevel",
    short: "plain",
  },
  {
    name: "threshold 0",
    accept: { compression: { ...alone, threshold: 0 } },
    connect: { compression: true },
    long: "deflate",
    short: "deflate",
  },
  {
    name: "threshold Infinity",
    accept: { compression: { ...alone, threshold: Infinity } },
    connect: { compression: true },
    ...PLAIN,
  },
  ...(["hixie-76", "hixie-75"] as const).flatMap((version) =>
    (["old", "new"] as const).map((framing): Kind => ({
      name: `${version}, ${framing} framing`,
      accept: { versions: [version], framing },
      connect: { version, framing },
      textOnly: true,
      long: framing,
      short: framing,
    }))
  ),
  {
    name: "a draft's client",
    accept: { framing: "old" },
    connect: { version: "hixie-76", framing: "old" },
    isClient: true,
    textOnly: true,
    long: "old",
    short: "old",
  },
];

/** Both ends of a connection of this kind; what a server's end writes behind its handshake is noted. */
export async function connect(kind: Kind): Promise<Ends> {
  using listener = Deno.listen(LOCAL);
  const writes: Ends["writes"] = [];
  const accept = async () => {
    const tcp = await listener.accept();
    const write = tcp.write.bind(tcp);
    tcp.write = async (piece) => {
      const noted = { buffer: piece.buffer, bytes: piece.slice() };
      writes.push(noted);
      const length = await write(piece);
      noted.bytes = noted.bytes.subarray(0, length);
      return length;
    };
    return await wsAccept(tcp, kind.accept);
  };
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  const [server, client] = await Promise.all([accept(), wsConnect(url, kind.connect)]);
  writes.length = 0;
  return kind.isClient
    ? { conn: client, peer: server, writes }
    : { conn: server, peer: client, writes };
}

export async function connectAll(kinds: Kind[]): Promise<Ends[]> {
  const ends = [];
  for (const kind of kinds) ends.push(await connect(kind));
  return ends;
}

export async function closeAll(ends: Pick<Ends, "conn" | "peer">[]): Promise<void> {
  await Promise.all(ends.map(({ peer }) => peer.close()));
  await Promise.all(ends.map(({ conn }) => conn.finished));
}

/** Waits until all that was sent on the connection is written. */
export async function drained(conn: WsConn): Promise<void> {
  while (conn.bufferedAmount > 0) await pause(1);
}

export function same(a: WsMessage, b: WsMessage): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** A connection whose peer reads nothing before it is told to. */
export async function stalled(): Promise<{ conn: WsConn; peer: RawPeer }> {
  const { conn, peer } = await RawPeer.against("client");
  return { conn, peer };
}
