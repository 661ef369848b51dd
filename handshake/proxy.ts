import { basicAuthorization } from "./credentials.ts";
import { formatHead } from "./head.ts";
import { portOf } from "./url.ts";

/**
 * The URL of a proxy. One without a scheme is taken as `http:`, as environments have it.
 *
 * @param text Its URL, or `host:port`.
 * @param name Where it comes from, for the error: its text is not shown, as there may be a password in it.
 * @throws {SyntaxError} If it is none, or not that of an HTTP proxy.
 */
export function parseProxy(text: string | URL, name: string): URL {
  const href = `${text}`;
  const proxy = URL.parse(/^[a-z][a-z\d+.-]*:\/\//i.test(href) ? href : `http://${href}`);
  if (proxy === null || proxy.hostname === "") {
    throw new SyntaxError(`Cannot use the proxy of ${name}: it is not a URL`);
  }
  if (proxy.protocol !== "http:" && proxy.protocol !== "https:") {
    throw new SyntaxError(
      `Cannot use the proxy of ${name}: its scheme must be http: or https:, current value is ${proxy.protocol}`,
    );
  }
  return proxy;
}

/** The bytes of a request for a tunnel to the host of `url` (RFC 9110 §9.3.6). */
export function formatConnect(url: URL, proxy: URL, headers: Headers): Uint8Array {
  const authority = `${url.hostname}:${portOf(url)}`;
  const fields: [string, string][] = [["Host", authority], ...headers];
  const authorization = basicAuthorization(proxy);
  if (authorization !== undefined && !headers.has("proxy-authorization")) {
    fields.push(["Proxy-Authorization", authorization]);
  }
  return formatHead(`CONNECT ${authority} HTTP/1.1`, fields);
}
