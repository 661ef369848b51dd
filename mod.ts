/**
 * WebSocket client and server for Deno, on raw TCP and TLS.
 *
 * {@linkcode wsConnect} opens a connection, {@linkcode wsServe} serves them; both give a {@linkcode WsConn} with `recv`
 * and `send`, over a `ReadableStream` and a `WritableStream`.
 *
 * @example An echo server and its client
 * ```ts
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe(async (conn) => {
 *   for await (const message of conn) await conn.send(message);
 * }, { hostname: "127.0.0.1", port: 0 });
 *
 * await using conn = await wsConnect(server.url);
 * await conn.send("hello");
 * assertEquals(await conn.recv(), "hello");
 * ```
 *
 * @module
 */
export { wsConnect, type WsConnectOptions, type WsDialOptions } from "./client.ts";
export {
  wsReconnect,
  type WsReconnectOptions,
  type WsReconnectTarget,
  type WsReconnectUrl,
  type WsRetry,
} from "./reconnect.ts";
export type { WsRetryOptions } from "./retry.ts";
export {
  type ConnHeaders,
  type Origins,
  type RequestInfo,
  wsAccept,
  type WsAcceptOptions,
  type WsHandler,
  wsServe,
  type WsServeOptions,
  WsServer,
} from "./server.ts";
export {
  broadcast,
  type BroadcastOptions,
  type BroadcastResult,
  type SlowConsumers,
} from "./broadcast.ts";
export { type Bus, Hub, type HubOptions } from "./hub.ts";
export { WsConn, type WsOpening } from "./conn.ts";
export { WsConnectionClosed, WsConnectionLost } from "./errors.ts";
export { isOpenWsConn, isWsConn, isWssUrl, isWsUrl } from "./guards.ts";
export {
  CloseCode,
  type CloseInfo,
  type FramingMode,
  framingMode,
  type MessageSink,
  type Output,
  type Protocol,
  type ProtocolEvents,
  type ProtocolState,
  type Role,
  type SharedMessage,
  type Version,
  type WsMessage,
  type WsMessageType,
  WsProtocolError,
} from "./framing/mod.ts";
export { WsHandshakeError } from "./handshake/error.ts";
export type { CompressionOptions, DeflateSettings } from "./handshake/deflate.ts";
export { WsMessageStream } from "./message_stream.ts";
export type { ConnLimits, WsConnOptions } from "./options.ts";
export type { WsMessageSource } from "./outgoing_message.ts";
export type { Traffic, WsConnStats, WsServerStats } from "./stats.ts";
