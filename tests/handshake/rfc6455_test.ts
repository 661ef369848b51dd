import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { WsHandshakeError } from "../../handshake/error.ts";
import { HeadReader, type RequestHead, type ResponseHead } from "../../handshake/head.ts";
import {
  assertNoReserved,
  assertProtocols,
  checkHttp,
  checkOpening,
  checkRequest,
  checkResponse,
  formatRequest,
  formatResponse,
  generateKey,
  offeredProtocols,
} from "../../handshake/rfc6455.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function head(lines: string[]): HeadReader {
  const reader = new HeadReader();
  reader.push(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
  return reader;
}

/** The request of RFC 6455 §1.2, with some of its lines changed or, if "", left out; others come at the end. */
function request(changes: Record<string, string> = {}, line = "GET /chat HTTP/1.1"): RequestHead {
  const fields: Record<string, string> = {
    Host: "server.example.com",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    Origin: "http://example.com",
    "Sec-WebSocket-Protocol": "chat, superchat",
    "Sec-WebSocket-Version": "13",
    ...changes,
  };
  const lines = Object.entries(fields).filter(([, value]) => value !== "");
  return head([line, ...lines.map(([name, value]) => `${name}: ${value}`)]).request();
}

function response(changes: Record<string, string> = {}): ResponseHead {
  const fields: Record<string, string> = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ...changes,
  };
  const lines = Object.entries(fields).filter(([, value]) => value !== "");
  return head(["HTTP/1.1 101 X", ...lines.map(([name, value]) => `${name}: ${value}`)]).response();
}

Deno.test("RFC 6455 §4.1: a fresh key is the base64 of 16 bytes", () => {
  assertEquals(atob(generateKey()).length, 16);
  assertEquals(new Set(Array.from({ length: 100 }, generateKey)).size, 100);
});

Deno.test("RFC 6455 §4.1: the client's request, octet by octet", () => {
  const headers = new Headers({ origin: "http://example.com" });
  const url = new URL("ws://server.example.com:8080/chat?a=b%20c");
  assertEquals(
    text(formatRequest(url, KEY, ["chat", "superchat"], headers)),
    "GET /chat?a=b%20c HTTP/1.1\r\nHost: server.example.com:8080\r\nUpgrade: websocket\r\n" +
      `Connection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n` +
      "Sec-WebSocket-Protocol: chat, superchat\r\norigin: http://example.com\r\n\r\n",
  );
  const plain = text(formatRequest(new URL("wss://[::1]:443/"), KEY, [], new Headers()));
  assertMatch(plain, /^GET \/ HTTP\/1.1\r\nHost: \[::1\]\r\n/);
  const other = text(formatRequest(url, KEY, [], new Headers({ host: "other" })));
  assertEquals(other.match(/^host: .*$/gim), ["Host: other"]);
});

Deno.test("RFC 6455 §4.2.2: the server's answer, octet by octet", () => {
  assertEquals(
    text(formatResponse(ACCEPT, "chat", "", new Headers({ "x-extra": "1" }))),
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n" +
      "x-extra: 1\r\n\r\n",
  );
});

Deno.test("RFC 6455 §4.2.1: requests that are accepted", () => {
  for (
    const changes of [
      {},
      { Upgrade: "WebSocket" },
      { Upgrade: "h2c, websocket" },
      { Connection: "keep-alive, Upgrade" },
      { Connection: "UPGRADE" },
      { "Content-Length": "0" },
      { Origin: "" },
      { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" },
    ]
  ) {
    checkHttp(request(changes));
    checkOpening(request(changes));
    assertEquals(checkRequest(request(changes)), KEY);
  }
  assertEquals(offeredProtocols(request().headers), ["chat", "superchat"]);
});

for (
  const [what, status, changes, line, headers] of [
    ["§4.2.1(1) not GET", 405, {}, "POST /chat HTTP/1.1", { allow: "GET" }],
    ["§4.2.1(1) HTTP/1.0", 505, {}, "GET /chat HTTP/1.0"],
    ["HTTP/2.0 in this form", 505, {}, "GET /chat HTTP/2.0"],
    ["§4.2.1(2) no Host", 400, { Host: "" }],
    ["two Hosts", 400, { host: "other" }],
    ["§4.2.1(3) no Upgrade", 426, { Upgrade: "" }, undefined, { upgrade: "websocket" }],
    ["another Upgrade", 426, { Upgrade: "h2c" }, undefined, { upgrade: "websocket" }],
    ["§4.2.1(4) no Connection", 400, { Connection: "" }],
    ["Connection without Upgrade", 400, { Connection: "keep-alive" }],
    ["§4.2.1(5) no key", 400, { "Sec-WebSocket-Key": "" }],
    ["a short key", 400, { "Sec-WebSocket-Key": "c2hvcnQ=" }],
    ["a key that is not base64", 400, { "Sec-WebSocket-Key": "!".repeat(24) }],
    ["a key of 17 bytes", 400, { "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAA=" }],
    ["§11.3.1 two keys", 400, { "sec-websocket-key": KEY }],
    ["§4.2.1(6) no version", 426, { "Sec-WebSocket-Version": "" }],
    ["§4.4 version 8", 426, { "Sec-WebSocket-Version": "8" }, undefined, {
      upgrade: "websocket",
      "sec-websocket-version": "13",
    }],
    ["two versions", 426, { "sec-websocket-version": "13" }],
    ["a body", 400, { "Content-Length": "5" }],
    ["a chunked body", 400, { "Transfer-Encoding": "chunked" }],
    ["a smuggled body", 400, { "Transfer-Encoding": "chunked", "Content-Length": "5" }],
  ] as [string, number, Record<string, string>, string?, Record<string, string>?][]
) {
  Deno.test(`${status}: ${what}`, () => {
    const error = assertThrows(() => {
      checkHttp(request(changes, line));
      checkOpening(request(changes, line));
      checkRequest(request(changes, line));
    }, WsHandshakeError);
    assertEquals(error.status, status);
    for (const [name, value] of Object.entries(headers ?? {})) {
      assertEquals(error.headers.get(name), value);
    }
  });
}

Deno.test("RFC 6455 §4.1: answers that are accepted", () => {
  assertEquals(checkResponse(response(), ACCEPT, []), { protocol: "", extensions: "" });
  assertEquals(checkResponse(response({ Upgrade: "WebSocket" }), ACCEPT, []).protocol, "");
  assertEquals(checkResponse(response({ Connection: "close, upgrade" }), ACCEPT, []).protocol, "");
  const chosen = response({ "Sec-WebSocket-Protocol": "chat" });
  assertEquals(checkResponse(chosen, ACCEPT, ["superchat", "chat"]).protocol, "chat");
});

for (
  const [what, changes, message] of [
    ["(2) no Upgrade", { Upgrade: "" }, "Upgrade header is missing"],
    ["(2) another Upgrade", { Upgrade: "h2c" }, 'Upgrade header is "h2c"'],
    ["(3) no Connection", { Connection: "" }, "Connection header is missing"],
    ["(3) another Connection", { Connection: "close" }, 'Connection header is "close"'],
    ["(4) no accept key", { "Sec-WebSocket-Accept": "" }, "Accept is missing"],
    ["(4) another accept key", { "Sec-WebSocket-Accept": "x" }, 'Accept is "x", expected "s3p'],
    ["(5) an extension", { "Sec-WebSocket-Extensions": "x" }, "extensions that were not offered"],
    ["(6) a subprotocol not offered", { "Sec-WebSocket-Protocol": "x" }, "was not offered"],
    ["(6) a subprotocol in other letters", { "Sec-WebSocket-Protocol": "Chat" }, "not offered"],
    ["(6) two subprotocols", { "Sec-WebSocket-Protocol": "chat, chat" }, "was not offered"],
  ] as [string, Record<string, string>, string][]
) {
  Deno.test(`RFC 6455 §4.1: the client fails on ${what}`, () => {
    const error = assertThrows(
      () => checkResponse(response(changes), ACCEPT, ["chat"]),
      WsHandshakeError,
      message,
    );
    assertEquals(error.status, 101);
  });
}

Deno.test("headers that the handshake sets are not the user's", () => {
  for (const name of ["Upgrade", "connection", "SEC-WEBSOCKET-KEY", "Sec-WebSocket-Protocol"]) {
    assertThrows(
      () => assertNoReserved(new Headers({ [name]: "x" })),
      TypeError,
      name.toLowerCase(),
    );
  }
  assertNoReserved(new Headers({ host: "x", origin: "y", authorization: "z" }));
});

Deno.test("RFC 6455 §4.1(10): subprotocols are distinct tokens", () => {
  assertProtocols([]);
  assertProtocols(["chat", "v1.chat"]);
  for (const wrong of [["a b"], [""], ["a,b"], ["chat", "chat"], ["é"]]) {
    assertThrows(() => assertProtocols(wrong), SyntaxError, "Cannot offer subprotocol");
  }
});
