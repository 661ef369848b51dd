import { WsHandshakeError } from "./error.ts";
import { parseWsUrl } from "./url.ts";

/** RFC 9110 §15.4: what names the place to ask at instead; 300, 304 and 305 leave it open, or mean something else. */
const REDIRECTS = [301, 302, 303, 307, 308];

/** Headers that say nothing of who is asking: all that goes to a server which the user has not named. */
const HARMLESS = ["accept-language", "origin", "user-agent"];

/** An answer that may send the client elsewhere. */
type Answer = Pick<WsHandshakeError, "status" | "headers">;

/** Whether an answer sends the client elsewhere. */
export function isRedirect({ status, headers }: Answer): boolean {
  return REDIRECTS.includes(status) && headers.has("location");
}

/**
 * Where an answer sends the client that has asked at `from`, a URL without credentials (RFC 9110 §10.2.2).
 *
 * @throws {WsHandshakeError} With the answer's status and headers, if that is no place to go to.
 */
export function redirectTarget(from: URL, { status, headers }: Answer): URL {
  const location = headers.get("location") ?? "";
  const refuse = (why: string, cause?: unknown) =>
    new WsHandshakeError(status, `Cannot follow the redirect to ${quote(location)}: ${why}`, {
      headers,
      cause,
    });
  // RFC 9110 §10.2.2: a URI-reference has no white space; two Locations stand here joined by ", "
  if (/\s/.test(location)) throw refuse("it is not the URL of a WebSocket");
  let target;
  try {
    target = parseWsUrl(location, from);
  } catch (error) {
    throw refuse("it is not the URL of a WebSocket", error);
  }
  if (from.protocol === "wss:" && target.protocol === "ws:") throw refuse("it leads out of TLS");
  // a server has no names and passwords to give
  if (target.username !== "" || target.password !== "") throw refuse("it has credentials in it");
  return target;
}

/** `headers`, without what may identify the user: what goes to another origin. */
export function withoutCredentials(headers: Headers): Headers {
  return new Headers([...headers].filter(([name]) => HARMLESS.includes(name)));
}

function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? text.slice(0, 200) + "…" : text);
}
