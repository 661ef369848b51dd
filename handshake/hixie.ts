import { concat } from "@std/bytes/concat";
import type { Challenge } from "./challenge.ts";
import { WsHandshakeError } from "./error.ts";
import { type Fields, formatHead, listHas, type RequestHead, type ResponseHead } from "./head.ts";

/** The drafts that open a connection in their own ways. */
export type HixieVersion = "hixie-75" | "hixie-76";

/** The bytes of a client's opening request; hixie-75 has no challenge. */
export function formatHixieRequest(
  url: URL,
  challenge: Challenge | undefined,
  protocol: string,
  headers: Headers,
): Uint8Array {
  const fields: [string, string][] = [
    ["Upgrade", "WebSocket"],
    ["Connection", "Upgrade"],
    ["Host", headers.get("host") ?? url.host],
    ["Origin", hixieOrigin(url, headers)],
  ];
  if (protocol !== "") {
    fields.push([challenge ? "Sec-WebSocket-Protocol" : "WebSocket-Protocol", protocol]);
  }
  if (challenge !== undefined) {
    fields.push(["Sec-WebSocket-Key1", challenge.key1], ["Sec-WebSocket-Key2", challenge.key2]);
  }
  for (const field of headers) {
    if (field[0] !== "host" && field[0] !== "origin") fields.push(field);
  }
  const head = formatHead(`GET ${url.pathname}${url.search} HTTP/1.1`, fields);
  return challenge === undefined ? head : concat([head, challenge.key3]);
}

/** The `Origin` of a client: the drafts require one, so the server's own stands in for a program's. */
function hixieOrigin(url: URL, headers: Headers): string {
  return headers.get("origin") ?? url.origin.replace(/^ws/, "http");
}

/**
 * Checks a server's answer to {@linkcode formatHixieRequest}, once its status is known to be 101 (hybi-00 §4.1,
 * steps 32–43). The 16 bytes behind it are the caller's to check.
 *
 * @returns The subprotocol that the server chose, or "".
 */
export function checkHixieResponse(
  response: ResponseHead,
  version: HixieVersion,
  url: URL,
  protocol: string,
  sent: Headers,
): string {
  const { headers, status } = response;
  const prefix = version === "hixie-76" ? "sec-websocket-" : "websocket-";
  const expect = (name: string, expected: string) => {
    const value = headers.get(name);
    if (value?.toLowerCase() !== expected.toLowerCase()) {
      throw new WsHandshakeError(
        status,
        `The server's ${name} is ${JSON.stringify(value)}, expected "${expected}"`,
        { headers },
      );
    }
  };
  expect("upgrade", "WebSocket");
  expect("connection", "Upgrade");
  expect(prefix + "origin", hixieOrigin(url, sent));
  const { protocol: scheme, pathname, search } = url;
  expect(prefix + "location", `${scheme}//${sent.get("host") ?? url.host}${pathname}${search}`);
  if (headers.has(prefix + "protocol")) expect(prefix + "protocol", protocol);
  return headers.get(prefix + "protocol") ?? "";
}

/** Which draft a request opens a connection of, if it is one (a request of RFC 6455 names its version). */
export function hixieVersionOf({ fields }: RequestHead): HixieVersion | undefined {
  if (!listHas(fields, "upgrade", "websocket") || fields.has("sec-websocket-version")) return;
  if (fields.has("sec-websocket-key1") || fields.has("sec-websocket-key2")) return "hixie-76";
  return fields.has("sec-websocket-key") ? undefined : "hixie-75";
}

/** The subprotocols that a client of a draft offers: one, or several with spaces between them. */
export function offeredHixieProtocols(fields: Fields): string[] {
  const offered = fields.get("sec-websocket-protocol") ?? fields.get("websocket-protocol") ?? "";
  return offered.split(/[ ,]/).filter((protocol) => protocol !== "");
}

/** The bytes of a server's answer that opens the connection (hybi-00 §5.2); `answer` follows its head. */
export function formatHixieResponse(
  request: RequestHead,
  version: HixieVersion,
  secure: boolean,
  protocol: string,
  headers: Headers,
  answer: Uint8Array,
): Uint8Array {
  const prefix = version === "hixie-76" ? "Sec-WebSocket-" : "WebSocket-";
  const { fields: asked, target } = request;
  const fields: [string, string][] = [["Upgrade", "WebSocket"], ["Connection", "Upgrade"]];
  const add = (name: string, value: string | null) => {
    // connHeaders may answer these in its own way
    if (value !== null && !headers.has(prefix + name)) fields.push([prefix + name, value]);
  };
  add("Origin", asked.get("origin"));
  add("Location", `${secure ? "wss" : "ws"}://${asked.get("host")}${target}`);
  add("Protocol", protocol === "" ? null : protocol);
  const text = version === "hixie-76"
    ? "WebSocket Protocol Handshake"
    : "Web Socket Protocol Handshake";
  return concat([formatHead(`HTTP/1.1 101 ${text}`, [...fields, ...headers]), answer]);
}
