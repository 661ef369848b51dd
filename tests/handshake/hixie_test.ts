import { assertEquals, assertThrows } from "@std/assert";
import { WsHandshakeError } from "../../handshake/error.ts";
import { HeadReader } from "../../handshake/head.ts";
import {
  checkHixieResponse,
  formatHixieRequest,
  formatHixieResponse,
  hixieVersionOf,
  offeredHixieProtocols,
} from "../../handshake/hixie.ts";
import { checkOrigin, type Origins } from "../../handshake/origin.ts";
import { bytesOf } from "../helpers/bytes.ts";

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const KEY1 = "18x 6]8vM;54 *(5:  {   U1]8  z [  8";
const KEY2 = "1_ tx7X d  <  nw  334J702) 7]o}` 0";

function read(text: string): HeadReader {
  const reader = new HeadReader();
  reader.push(bytesOf(text));
  return reader;
}

Deno.test("the client's requests, octet by octet, and no Content-Length", () => {
  const url = new URL("ws://example.com/demo?x=1");
  const challenge = { key1: KEY1, key2: KEY2, key3: bytesOf("Tm[K T2u") };
  const hixie76 = textOf(formatHixieRequest(url, challenge, "sample", new Headers({ "x-a": "b" })));
  assertEquals(
    hixie76,
    "GET /demo?x=1 HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n" +
      "Origin: http://example.com\r\nSec-WebSocket-Protocol: sample\r\n" +
      `Sec-WebSocket-Key1: ${KEY1}\r\nSec-WebSocket-Key2: ${KEY2}\r\nx-a: b\r\n\r\nTm[K T2u`,
  );
  const headers = new Headers({ origin: "http://page" });
  assertEquals(
    textOf(formatHixieRequest(url, undefined, "sample", headers)),
    "GET /demo?x=1 HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n" +
      "Origin: http://page\r\nWebSocket-Protocol: sample\r\n\r\n",
  );
  const request = read(hixie76).request();
  assertEquals(hixieVersionOf(request), "hixie-76");
  assertEquals(offeredHixieProtocols(request.headers), ["sample"]);
});

Deno.test("the server's answers, octet by octet", () => {
  const { request } = {
    request: read("GET /demo?x HTTP/1.1\r\nHost: example.com\r\nOrigin: http://page\r\n\r\n")
      .request(),
  };
  const answer = bytesOf("fQJ,fN/4F4!~K~MH");
  assertEquals(
    textOf(formatHixieResponse(request, "hixie-76", false, "sample", new Headers(), answer)),
    "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Origin: http://page\r\nSec-WebSocket-Location: ws://example.com/demo?x\r\n" +
      "Sec-WebSocket-Protocol: sample\r\n\r\nfQJ,fN/4F4!~K~MH",
  );
  const own = new Headers({ "websocket-location": "ws://elsewhere/" });
  assertEquals(
    textOf(formatHixieResponse(request, "hixie-75", true, "", own, new Uint8Array())),
    "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
      "WebSocket-Origin: http://page\r\nwebsocket-location: ws://elsewhere/\r\n\r\n",
  );
});

Deno.test("the drafts and RFC 6455 are told apart by the request", () => {
  const upgrade = "Upgrade: WebSocket\r\nConnection: Upgrade\r\n";
  for (
    const [headers, version] of [
      [upgrade + "Sec-WebSocket-Key1: 1 2\r\n", "hixie-76"],
      [upgrade + "Sec-WebSocket-Key2: 1 2\r\n", "hixie-76"],
      [upgrade, "hixie-75"],
      [upgrade + "Sec-WebSocket-Version: 13\r\n", undefined],
      [upgrade + "Sec-WebSocket-Key: x\r\n", undefined],
      ["", undefined],
    ] as const
  ) {
    assertEquals(
      hixieVersionOf(read(`GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`).request()),
      version,
    );
  }
});

Deno.test("the client fails on answers that are not its own", () => {
  const url = new URL("ws://example.com:8080/demo");
  const sent = new Headers();
  const answer = (changes: Record<string, string>) => {
    const fields: Record<string, string> = {
      Upgrade: "WebSocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Origin": "http://example.com:8080",
      "Sec-WebSocket-Location": "ws://example.com:8080/demo",
      ...changes,
    };
    const lines = Object.entries(fields).filter(([, value]) => value !== "");
    const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return read(`HTTP/1.1 101 X\r\n${text}\r\n`).response();
  };
  const check = (changes: Record<string, string>) =>
    checkHixieResponse(answer(changes), "hixie-76", url, "sample", sent);
  assertEquals(check({}), "");
  assertEquals(check({ "Sec-WebSocket-Protocol": "sample" }), "sample");
  for (
    const changes of [
      { Upgrade: "" },
      { Upgrade: "h2c" },
      { Connection: "close" },
      { "Sec-WebSocket-Origin": "http://other" },
      { "Sec-WebSocket-Origin": "" },
      { "Sec-WebSocket-Location": "wss://example.com:8080/demo" },
      { "Sec-WebSocket-Location": "" },
      { "Sec-WebSocket-Protocol": "other" },
    ] as Record<string, string>[]
  ) {
    assertThrows(() => check(changes), WsHandshakeError, "expected");
  }
});

Deno.test("RFC 6455 §10.2: whose pages are let in", () => {
  const ask = (origin: string | undefined, host: string, origins?: Origins) => {
    checkOrigin(new Headers({ host, ...(origin === undefined ? {} : { origin }) }), origins);
  };
  for (
    const [origin, host, origins] of [
      [undefined, "a.com"],
      [undefined, "a.com", []],
      ["http://a.com", "a.com"],
      ["https://A.com", "a.COM:443"],
      ["http://a.com:80", "a.com"],
      ["http://a.com:8080", "a.com:8080"],
      ["http://b.com", "a.com", "*"],
      ["null", "a.com", ["null"]],
      ["http://b.com", "a.com", ["http://c.com", "http://b.com"]],
      ["http://b.com", "a.com", (origin) => origin.endsWith("b.com")],
    ] as [string | undefined, string, Origins?][]
  ) {
    ask(origin, host, origins);
  }
  for (
    const [origin, host, origins] of [
      ["http://b.com", "a.com"],
      ["http://a.com:8080", "a.com"],
      ["https://a.com", "a.com:80"],
      ["http://a.com.evil", "a.com"],
      ["null", "a.com"],
      ["", "a.com"],
      ["garbage", "a.com"],
      ["http://a.com", "a.com", []],
      ["http://b.com:81", "a.com", ["http://b.com"]],
      ["http://c.com", "a.com", () => false],
    ] as [string, string, Origins?][]
  ) {
    const error = assertThrows(
      () => ask(origin, host, origins),
      WsHandshakeError,
      'option "origins"',
    );
    assertEquals(error.status, 403);
  }
});
