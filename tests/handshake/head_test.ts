import { assert, assertEquals, assertThrows } from "@std/assert";
import { WsHandshakeError } from "../../handshake/error.ts";
import { checkedHeaders, formatHead, HeadReader, isToken } from "../../handshake/head.ts";
import { seeded, splits } from "../helpers/bytes.ts";

/** Latin-1: the test strings stand for octets. */
const octets = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

function read(text: string): HeadReader {
  const reader = new HeadReader();
  assert(reader.push(octets(text)), "the head is complete");
  return reader;
}

function assertRefused(text: string, status: number, message: string) {
  for (const pieces of splits(octets(text), seeded(20))) {
    const error = assertThrows(
      () => {
        const reader = new HeadReader();
        if (pieces.some((piece) => reader.push(piece))) reader.request();
        else throw new Error("no end of the head found");
      },
      WsHandshakeError,
      message,
    );
    assertEquals(error.status, status);
  }
}

Deno.test("a request is read the same in whatever pieces, and what follows it is kept", () => {
  const text =
    "GET /chat?x=%20 HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\nX-Latin:\t caf\xe9 \r\n" +
    "cookie: a\r\nCookie: b\r\n\r\n\x81\x00rest";
  const random = seeded(21);
  for (const pieces of splits(octets(text), random)) {
    const reader = new HeadReader();
    let rest = "";
    let complete = false;
    for (const piece of pieces) {
      if (!complete) complete = reader.push(piece);
      else rest += String.fromCharCode(...piece);
    }
    assert(complete);
    const { line, method, target, version, headers } = reader.request();
    assertEquals(line, "GET /chat?x=%20 HTTP/1.1");
    assertEquals([method, target, version], ["GET", "/chat?x=%20", 11]);
    assertEquals([...headers], [
      ["cookie", "a, b"],
      ["host", "example.com"],
      ["x-empty", ""],
      ["x-latin", "caf\xe9"],
    ]);
    assertEquals(String.fromCharCode(...reader.rest) + rest, "\x81\x00rest");
  }
});

Deno.test("a response is read, with and without a reason phrase", () => {
  const full = read("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n").response();
  assertEquals([full.status, full.statusText], [101, "Switching Protocols"]);
  assertEquals(full.line, "HTTP/1.1 101 Switching Protocols");
  assertEquals(read("HTTP/1.0 404\r\n\r\n").response().status, 404);
  assertEquals(read("HTTP/1.1 200 \r\n\r\n").response().statusText, "");
  for (
    const line of ["HTTP/1.1", "HTTP/1.1 99 x", "HTTP/1.1 1e2 x", "HTTP/1.1 600 x", "ICY 200 OK"]
  ) {
    assertThrows(() => read(`${line}\r\n\r\n`).response(), WsHandshakeError, "malformed");
  }
});

Deno.test("RFC 9112 §2.2: empty lines before the request are ignored", () => {
  assertEquals(read("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").request().method, "GET");
});

for (
  const [what, text] of [
    ["no target", "GET HTTP/1.1\r\n\r\n"],
    ["two spaces", "GET  / HTTP/1.1\r\n\r\n"],
    ["four parts", "GET / x HTTP/1.1\r\n\r\n"],
    ["a method that is no token", "G(T / HTTP/1.1\r\n\r\n"],
    ["a target outside of ASCII", "GET /\xe9 HTTP/1.1\r\n\r\n"],
    ["another protocol", "GET / ICAP/1.0\r\n\r\n"],
    ["a version of three digits", "GET / HTTP/1.12\r\n\r\n"],
    ["a version of letters", "GET / HTTP/a.b\r\n\r\n"],
    ["a header without a colon", "GET / HTTP/1.1\r\nHost\r\n\r\n"],
    ["a header without a name", "GET / HTTP/1.1\r\n: x\r\n\r\n"],
    ["white space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"],
    ["a continued line", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"],
    ["a bare line feed", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"],
    ["a bare carriage return", "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"],
    ["a NUL", "GET / HTTP/1.1\r\nHost: x\0\r\n\r\n"],
    ["a control character in the request line", "GET /\x01 HTTP/1.1\r\n\r\n"],
  ] as const
) {
  Deno.test(`400: ${what}`, () => assertRefused(text, 400, " "));
}

Deno.test("400: a TLS client is told so at its first byte", () => {
  const error = assertThrows(
    () => new HeadReader().push(Uint8Array.of(0x16)),
    WsHandshakeError,
    "TLS",
  );
  assertEquals(error.status, 400);
});

Deno.test("431: 16 KiB and 128 lines are the most, and no more is kept", () => {
  const filled = (length: number) => `GET /${"x".repeat(length - 18)} HTTP/1.1\r\n\r\n`;
  assertEquals(read(filled(16_384)).request().target.length, 16_367);
  assertRefused(filled(16_385), 431, "16 KiB");
  read("GET / HTTP/1.1\r\n" + "a: b\r\n".repeat(127) + "\r\n");
  assertRefused("GET / HTTP/1.1\r\n" + "a: b\r\n".repeat(128) + "\r\n", 431, "128 lines");

  const endless = new HeadReader();
  let taken = 0;
  assertThrows(
    () => {
      for (;; taken++) endless.push(octets("x"));
    },
    WsHandshakeError,
    "16 KiB",
  );
  assertEquals(taken, 16_384);
});

Deno.test("reading a head byte by byte takes time that grows no faster than the head", () => {
  const time = (size: number) => {
    const bytes = octets(`GET /${"x".repeat(size)} HTTP/1.1\r\n\r\n`);
    const start = performance.now();
    for (let round = 0; round < 20; round++) {
      const reader = new HeadReader();
      for (let at = 0; at < bytes.length; at++) reader.push(bytes.subarray(at, at + 1));
    }
    return performance.now() - start;
  };
  time(16_000);
  const ratio = time(16_000) / time(2_000);
  assert(ratio < 32, `8 times the head took ${ratio} times as long; quadratic would be 64`);
});

Deno.test("a head is printed as it is read", () => {
  const bytes = formatHead("GET / HTTP/1.1", [["Host", "a"], ["X", "caf\xe9"]]);
  assertEquals(bytes, octets("GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9\r\n\r\n"));
});

Deno.test("headers with CR, LF or NUL are a TypeError, in whatever form they are given", () => {
  for (const value of ["a\rb", "a\nb", "a\r\nX: y", "a\r\n", "\n", "a\0"]) {
    assertThrows(() => checkedHeaders({ x: value }), TypeError, "line break");
    assertThrows(() => checkedHeaders([["x", value]]), TypeError, "line break");
  }
  assertThrows(() => checkedHeaders({ "x\r\n": "a" }), TypeError);
  assertThrows(() => checkedHeaders({ x: "日本" }), TypeError);
  assertEquals([...checkedHeaders({ x: "a" })], [["x", "a"]]);
  assertEquals([...checkedHeaders(new Headers({ x: "a" }))], [["x", "a"]]);
  const once = new Map([["x", "a"]]).entries(); // can be gone through only once
  assertEquals([...checkedHeaders(once)], [["x", "a"]]);
});

Deno.test("tokens of RFC 9110 §5.6.2", () => {
  for (const token of ["GET", "a", "!#$%&'*+-.^_`|~09azAZ"]) assert(isToken(token), token);
  for (const text of [undefined, "", " ", "a b", "a,b", "a/b", "é", "a\0", "(", '"']) {
    assert(!isToken(text), text);
  }
});
