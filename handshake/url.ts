import { WsHandshakeError } from "./error.ts";
import type { RequestHead } from "./head.ts";

/**
 * The URL of a WebSocket (RFC 6455 §3).
 *
 * @throws {SyntaxError} If it is none.
 */
export function parseWsUrl(url: string | URL, base?: URL): URL {
  const target = URL.parse(url, base);
  const refuse = (why: string) => new SyntaxError(`Cannot connect to "${shown(url)}": ${why}`);
  if (target === null) throw refuse("it is not a URL");
  // the WHATWG's WebSocket takes http: and https: too
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw refuse("its scheme must be ws: or wss:");
  }
  // RFC 6455 §3
  if (target.hash !== "" || target.href.endsWith("#")) throw refuse("it must not have a fragment");
  return target;
}

/** A URL, or what is none, as errors show it: without a password, or a token in the query. */
function shown(url: string | URL): string {
  return `${url}`.replace(/^(\w+:\/\/)?.*@/s, "$1…@").replace(/\?.*/s, "?…");
}

/** The host of a URL as sockets and certificates name it: an IPv6 address without its brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** The port of a URL, that of its scheme if it names none. */
export function portOf({ port, protocol }: URL): number {
  if (port !== "") return Number(port);
  return protocol === "wss:" || protocol === "https:" ? 443 : 80;
}

/**
 * The URL that a request is for (RFC 9112 §3.3, RFC 6455 §4.2.1 item 1).
 *
 * @param request Its target is a path, or a URL of its own; its Host says the rest.
 * @param scheme That of the result, but for TLS.
 * @param secure Whether it came over TLS.
 * @throws {WsHandshakeError} 400 if there is no such URL.
 */
export function requestUrl(
  { target, fields }: Pick<RequestHead, "target" | "fields">,
  scheme: "http" | "ws",
  secure: boolean,
): URL {
  const protocol = secure ? `${scheme}s:` : `${scheme}:`;
  const url = URL.parse(
    target.startsWith("/") ? `${protocol}//${fields.get("host")}${target}` : target,
  );
  if (url === null || !/^(?:http|ws)s?:$/.test(url.protocol)) {
    throw new WsHandshakeError(400, "Request target or Host is malformed");
  }
  url.protocol = protocol;
  return url;
}
