/** Servers for those who reconnect: what they do with one client after the other, and a client that follows. */
import { assertEquals } from "@std/assert";
import { encodeClose, Opcode } from "../../framing/mod.ts";
import { HeadReader } from "../../handshake/head.ts";
import { type WsConn, wsReconnect, type WsReconnectOptions, type WsRetry } from "../../mod.ts";
import { readHead } from "../../transport.ts";
import { LOCAL, RawPeer } from "../helpers/sockets.ts";

/** Delays that do not make a test long. */
export const QUICK = { firstDelay: 0.005, maxDelay: 0.02 };

/** What a server does with one client. */
export type Turn = (listener: Deno.TcpListener) => Promise<unknown>;

/** A server by hand that takes its clients one after the other, each in a way of its own. */
export async function taking(turns: Turn[], use: (url: string) => Promise<unknown>): Promise<void> {
  using listener = Deno.listen(LOCAL);
  const taken = (async () => {
    for (const turn of turns) await turn(listener);
  })();
  await use(`ws://127.0.0.1:${listener.addr.port}/`);
  await taken; // all of them have come
}

export const refuse = (status: number, ...headers: string[]): Turn => async (listener) => {
  using conn = await listener.accept();
  await readHead(conn, new HeadReader());
  const head = [`HTTP/1.1 ${status} No`, "Content-Length: 0", ...headers].join("\r\n");
  await conn.write(new TextEncoder().encode(head + "\r\n\r\n"));
};

export const close = (payload: Uint8Array): Turn => async (listener) => {
  using peer = await RawPeer.accept(listener);
  await peer.send(Opcode.Close, payload);
  await peer.next();
};

/** Ends TCP without a Close. */
export const vanish: Turn = async (listener) => {
  using peer = await RawPeer.accept(listener);
  peer.conn.closeWrite();
  await peer.end();
};

/** Ends the loop. */
export const finish = close(encodeClose(1000));

/** Goes through all connections and their messages; returns what it was told. */
export async function follow(url: string, options: WsReconnectOptions = {}) {
  const retries: WsRetry[] = [];
  const messages: unknown[] = [];
  const conns: WsConn[] = [];
  const all = wsReconnect(url, {
    ...options,
    retry: { ...QUICK, ...options.retry },
    onRetry(retry) {
      retries.push(retry);
      options.onRetry?.(retry);
    },
  });
  const ended = (async () => {
    for await (const conn of all) {
      conns.push(conn);
      for await (const message of conn) {
        messages.push(message);
      }
      assertEquals(await conn.recv(), null);
    }
  })();
  const error = await ended.then(() => undefined, (error) => error);
  return { error, retries, messages, conns };
}
