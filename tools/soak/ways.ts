/** The ways in which the soak's messages travel: what a connection can agree on, and how it sends and receives. */
import { setImmediate } from "node:timers";
import { toArrayBuffer } from "@std/streams/to-array-buffer";
import { toText } from "@std/streams/to-text";
import type { WsConn, WsConnectOptions, WsMessage, WsServeOptions } from "../../mod.ts";
import type { Random } from "../../tests/helpers/bytes.ts";

/** A machine that is busy with thousands of connections may be late, but not as late as this. */
const PATIENT = { closeTimeout: 60, handshakeTimeout: 60 };

/** What the server agrees to. */
export const SERVER: WsServeOptions = { ...PATIENT, compression: true };

/** What a client asks for; most ask for nothing. */
const CLIENTS: WsConnectOptions[] = [{}, {}, {}, {}, {}, {}, {}, { compression: true }];

const SENDING: ((conn: WsConn, message: WsMessage, random: Random) => Promise<void>)[] = [
  (conn, message) => conn.send(message),
  (conn, message) => conn.send(message),
  (conn, message, random) =>
    conn.sendStream(inPieces(message, random), {
      type: typeof message === "string" ? "text" : "binary",
    }),
];

async function* inPieces(message: WsMessage, random: Random): AsyncGenerator<WsMessage> {
  for (let at = 0, end; at < message.length; at = end) {
    end = at + 1 + random(message.length);
    yield message.slice(at, end);
    // what else the connection has to send may come between
    if (random(2) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

const RECEIVING: ((conn: WsConn) => Promise<WsMessage | null>)[] = [
  (conn) => conn.recv(),
  (conn) => conn.recv(),
  async (conn) => {
    const stream = await conn.recvStream();
    if (stream === null) return null;
    return stream.type === "text" ? toText(stream) : new Uint8Array(await toArrayBuffer(stream));
  },
];

function oneOf<T>(ways: T[], random: Random): T {
  return ways[random(ways.length)]!;
}

export function clientOptions(random: Random): WsConnectOptions {
  return { ...PATIENT, ...oneOf(CLIENTS, random) };
}

export function send(conn: WsConn, message: WsMessage, random: Random): Promise<void> {
  return oneOf(SENDING, random)(conn, message, random);
}

export function receive(conn: WsConn, random: Random): Promise<WsMessage | null> {
  return oneOf(RECEIVING, random)(conn);
}
