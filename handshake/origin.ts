import { WsHandshakeError } from "./error.ts";
import type { Fields } from "./head.ts";

/**
 * Which pages may open a connection, by their `Origin`: any ("*"), those listed (such as "https://example.com"), or those
 * that a function lets in.
 */
export type Origins = "*" | readonly string[] | ((origin: string, host: string) => boolean);

/**
 * Lets a request in, or throws 403 (RFC 6455 §10.2). A browser sends its page's origin with every request, cookies and
 * all, so a server that does not look at it can be used by any page (cross-site WebSocket hijacking). What sends no
 * origin is not a browser.
 *
 * @param fields The request's.
 * @param origins Who is let in; by default pages that come from the very host that they connect to.
 */
export function checkOrigin(fields: Fields, origins: Origins | undefined): void {
  const origin = fields.get("origin");
  if (origin === null || origins === "*") return;
  const host = fields.get("host") ?? "";
  const page = URL.parse(origin);
  const allowed = origins === undefined
    ? page !== null && page.host === URL.parse(`${page.protocol}//${host}`)?.host
    : typeof origins === "function"
    ? origins(origin, host)
    : origins.includes(origin);
  if (!allowed) {
    throw new WsHandshakeError(
      403,
      `Origin ${
        JSON.stringify(origin)
      } is not allowed; the server's option "origins" can let it in`,
    );
  }
}
