/**
 * Spans and metrics of a server, through Deno's built-in OpenTelemetry: {@linkcode traced} makes each connection a span,
 * {@linkcode observe} exports `server.stats`. Nothing else of this package loads this module, or OpenTelemetry.
 *
 * Needs no permission; whether and where to anything is exported, the environment of the process says:
 * `OTEL_DENO=true OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 deno run --allow-net server.ts`. Otherwise it
 * does nothing.
 *
 * @example A server that is traced and observed
 * ```ts
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { observe, traced } from "@wsconn/ws/telemetry";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = wsServe(traced((conn) => conn.send("hello")), { hostname: "127.0.0.1", port: 0 });
 * using _ = observe(server);
 *
 * await using conn = await wsConnect(server.url);
 * assertEquals(await conn.recv(), "hello");
 * ```
 *
 * @module
 */
// The interface that Deno implements where OTEL_DENO is set, and that does nothing elsewhere.
import {
  type Attributes,
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from "npm:@opentelemetry/api@1.9.1";
import type { WsConn } from "./conn.ts";
import { WsConnectionClosed } from "./errors.ts";
import { CloseCode, type CloseInfo } from "./framing/close.ts";
import type { WsHandler, WsServer } from "./server.ts";
import type { Traffic } from "./stats.ts";

/** What OpenTelemetry calls this module: the scope of its spans and metrics. */
const SCOPE = "@wsconn/ws";

/** What {@linkcode traced} and {@linkcode observe} can be told. */
export interface TelemetryOptions {
  /**
   * Attributes for every span or measurement, besides those that are made; such as `{ "url.scheme": "wss" }` behind
   * a proxy that ends TLS. Default: none.
   */
  attributes?: Record<string, string | number | boolean> | undefined;
}

/** What {@linkcode traced} can be told. */
export interface TracedOptions extends TelemetryOptions {
  /** The name of the spans, which should be the same for many. Default: "websocket". */
  name?: string | undefined;
}

/**
 * Makes each connection of a handler a span, of kind server, in which the handler runs: spans that it makes become its
 * children, `trace.getActiveSpan()` gives it to add to. A `traceparent` header of the request makes it the child of the
 * caller's span ({@link https://www.w3.org/TR/trace-context/ | Trace Context}). It ends when the connection has ended
 * and the handler has.
 *
 * Its attributes, by OpenTelemetry's semantic conventions: `network.protocol.name` ("websocket"), `url.scheme`, `url.path`, without
 * the query, which may hold secrets, `client.address`, `client.port`, `user_agent.original`; and `websocket.close.code`.
 * Its status is an error, with `error.type`, if the handler threw something other than a `WsConnectionClosed`, if the
 * connection ended without both Closes, or with a code that speaks of a fault: 1002, 1003, 1007, 1009, 1010, 1011, 1014
 * (RFC 6455 §7.4.1).
 *
 * @param handler The handler for `wsServe`.
 * @param options The name of the spans, and more attributes.
 * @returns The handler to give to `wsServe`.
 *
 * @example
 * ```ts
 * import { wsConnect, wsServe } from "@wsconn/ws";
 * import { traced } from "@wsconn/ws/telemetry";
 * import { assertEquals } from "@std/assert";
 *
 * const greet = traced((conn) => conn.send("hello"), { name: "greeting" });
 * await using server = wsServe(greet, { hostname: "127.0.0.1", port: 0 });
 * await using conn = await wsConnect(server.url);
 * assertEquals(await conn.recv(), "hello");
 * ```
 */
export function traced<S = undefined>(
  handler: WsHandler<S>,
  { name = "websocket", attributes }: TracedOptions = {},
): WsHandler<S> {
  const tracer = trace.getTracer(SCOPE);
  return (conn, state) => {
    const caller = propagation.extract(ROOT_CONTEXT, conn.headers, HEADERS);
    const span = tracer.startSpan(name, {
      kind: SpanKind.SERVER,
      attributes: { ...attributesOf(conn), ...attributes },
    }, caller);
    let handled: void | Promise<void>;
    try {
      handled = context.with(trace.setSpan(caller, span), () => handler(conn, state));
    } catch (error) {
      handled = Promise.reject(error); // which is the same to the server
    }
    void endWith(span, handled, conn.finished);
    return handled;
  };
}

/**
 * Exports what `server.stats` counts, whenever OpenTelemetry collects metrics (every 60 s; `OTEL_METRIC_EXPORT_INTERVAL`
 * says otherwise, in ms), with `server.address` and `server.port`:
 *
 * - `websocket.server.connections.open`, an up-down counter;
 * - `websocket.server.connections.accepted` and `websocket.server.connections.refused`, counters;
 * - `websocket.server.messages`, `websocket.server.message.io` (their bytes) and `websocket.server.network.io` (the bytes
 *   of all frames), counters by `network.io.direction`: "receive" or "transmit".
 *
 * @param server The server.
 * @param options More attributes.
 * @returns Disposed of, it observes the server no more; until then it keeps the server's numbers in memory.
 *
 * @example
 * ```ts
 * import { wsServe } from "@wsconn/ws";
 * import { observe } from "@wsconn/ws/telemetry";
 *
 * await using server = wsServe(() => {}, { hostname: "127.0.0.1", port: 0 });
 * using _ = observe(server, { attributes: { "deployment.environment.name": "test" } });
 * ```
 */
export function observe(server: WsServer, { attributes }: TelemetryOptions = {}): Disposable {
  const meter = metrics.getMeter(SCOPE);
  const counter = (name: string, unit: string, description: string) =>
    meter.createObservableCounter(`websocket.server.${name}`, { unit, description });
  const open = meter.createObservableUpDownCounter("websocket.server.connections.open", {
    unit: "{connection}",
    description: "Connections that are open or closing",
  });
  const accepted = counter("connections.accepted", "{connection}", "Connections opened");
  const refused = counter("connections.refused", "{connection}", "Handshakes refused or failed");
  const messages = counter("messages", "{message}", "Messages");
  const messageBytes = counter("message.io", "By", "Bytes of messages, before compression");
  const wireBytes = counter("network.io", "By", "Bytes of frames");

  const all = { ...addressOf(server), ...attributes };
  const instruments = [open, accepted, refused, messages, messageBytes, wireBytes];
  const callback: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
    const { stats } = server;
    result.observe(open, stats.open, all);
    result.observe(accepted, stats.accepted, all);
    result.observe(refused, stats.refused, all);
    const observeTraffic = (direction: string, traffic: Traffic) => {
      const attributes = { ...all, "network.io.direction": direction };
      result.observe(messages, traffic.messages, attributes);
      result.observe(messageBytes, traffic.bytes, attributes);
      result.observe(wireBytes, traffic.wireBytes, attributes);
    };
    observeTraffic("receive", stats.received);
    observeTraffic("transmit", stats.sent);
  };
  meter.addBatchObservableCallback(callback, instruments);
  return {
    [Symbol.dispose]: () => meter.removeBatchObservableCallback(callback, instruments),
  };
}

/** How the caller's span is read from the headers of a request. */
const HEADERS: TextMapGetter<Headers> = {
  get: (headers, name) => headers.get(name) ?? undefined,
  keys: (headers) => [...headers.keys()],
};

function attributesOf({ url, headers, remoteAddr }: WsConn): Attributes {
  const attributes: Attributes = {
    "network.protocol.name": "websocket",
    "url.path": url.pathname,
    "url.scheme": url.protocol.slice(0, -1),
  };
  const userAgent = headers.get("user-agent");
  if (userAgent !== null) attributes["user_agent.original"] = userAgent;
  if ("hostname" in remoteAddr) {
    attributes["client.address"] = remoteAddr.hostname;
    attributes["client.port"] = remoteAddr.port;
  }
  return attributes;
}

function addressOf({ addr }: WsServer): Attributes {
  if ("hostname" in addr) return { "server.address": addr.hostname, "server.port": addr.port };
  return "path" in addr ? { "server.address": addr.path } : {}; // a Unix socket
}

async function endWith(
  span: Span,
  handled: void | Promise<void>,
  finished: Promise<CloseInfo>,
): Promise<void> {
  const [outcome] = await Promise.allSettled([handled, finished]);
  recordEnd(span, await finished);
  if (outcome.status === "rejected") recordError(span, outcome.reason);
  span.end();
}

/** The codes that speak of a fault, of this side or the other. */
const FAULTS: readonly number[] = [1002, 1003, 1007, 1009, 1010, 1011, 1014];

function recordEnd(span: Span, { code, reason, wasClean }: CloseInfo): void {
  span.setAttribute("websocket.close.code", code);
  if (wasClean && !FAULTS.includes(code)) return;
  span.setAttribute("error.type", `${code}`);
  span.setStatus({
    code: SpanStatusCode.ERROR,
    message: code === CloseCode.Abnormal ? "The connection was lost" : `${code} ${reason}`.trim(),
  });
}

function recordError(span: Span, error: unknown): void {
  if (error instanceof WsConnectionClosed) return; // how it was closed tells more
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  span.recordException(error instanceof Error ? error : message);
  span.setAttribute("error.type", name);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}
