/** What the fuzzer has found, each in the smallest input that showed it. */
import { fail } from "@std/assert";
import { unhex } from "../helpers/bytes.ts";
import { checkHixie, type HixieSetup } from "./framing_targets.ts";
import { octets, SENT_KEY } from "./generate_http.ts";
import { checkBodyBytes, checkRequestBytes, checkResponseBytes } from "./handshake_targets.ts";

function hixie(input: string, setup: Partial<HixieSetup>): string | undefined {
  const whole: HixieSetup = {
    version: "hixie-76",
    mode: "old",
    maxMessageSize: 16,
    closeAt: Infinity,
    ended: false,
    splitSeed: 1,
    ...setup,
  };
  return checkHixie(whole, unhex(input));
}

function request(...lines: string[]): string | undefined {
  const text = ["GET / HTTP/1.1", ...lines, "", ""].join("\r\n");
  return checkRequestBytes({ splitSeed: 1 }, octets(text));
}

function opening(changes: Record<string, string>): string | undefined {
  const fields = {
    Host: "example.com",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": SENT_KEY,
    "Sec-WebSocket-Version": "13",
    ...changes,
  };
  return request(...Object.entries(fields).map(([name, value]) => `${name}: ${value}`));
}

function body(coding: string, isResponse: boolean, text: string): string | undefined {
  const fields: [string, string][] = [["transfer-encoding", coding]];
  return checkBodyBytes({ fields, isResponse, splitSeed: 1 }, octets(text));
}

const FINDS: [string, () => string | undefined][] = [
  [
    "hybi-00: after its own close, how long a text is discarded does not depend on how it is cut",
    () => hixie("00" + "78".repeat(17), { closeAt: 0 }),
  ],
  [
    "hybi-00: a text that is first invalid, then too long, fails with 1007 however it is cut",
    () => hixie("00 c3" + "78".repeat(16), {}),
  ],
  [
    "hixie-75: the end of TCP makes no closing of a connection that has been failed",
    () => hixie("00 c3 ff", { version: "hixie-75", ended: true }),
  ],
  [
    "hixie-75, new framing: the same after a type that is none",
    () => hixie("01", { version: "hixie-75", mode: "new", ended: true }),
  ],
  ...["a b", "a/b", "a@b", "\xe9", "[::1"].map((host): [string, () => string | undefined] => [
    `RFC 9112 §3.2: a request with the Host ${JSON.stringify(host)} is refused`,
    () => request(`Host: ${host}`),
  ]),
  [
    "RFC 9110 §5.6.3: a no-break space is no white space around an element of Connection",
    () => opening({ Connection: "\xa0Upgrade" }),
  ],
  [
    "RFC 9110 §5.6.3: nor around one of Upgrade",
    () => opening({ Upgrade: "websocket\xa0" }),
  ],
  [
    "RFC 9110 §5.6.3: nor in a response",
    () =>
      checkResponseBytes(
        { splitSeed: 1 },
        octets(
          "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: \xa0Upgrade\r\n" +
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        ),
      ),
  ],
  [
    "RFC 4648 §4: a Sec-WebSocket-Key with white space instead of its padding is refused",
    () => opening({ "Sec-WebSocket-Key": "dGhlIHNhbXBs ZSBub25j\tZQ" }),
  ],
  [
    "RFC 9112 §6.3, item 4: a request whose last coding is not chunked is refused",
    () => body("chunked, gzip", false, "0\r\n\r\n"),
  ],
  [
    "RFC 9112 §6.3, item 4: a request with another coding alone is refused, too",
    () => body("gzip", false, "data"),
  ],
  [
    "RFC 9112 §6.3, item 4: a response whose last coding is not chunked goes on to the end",
    () => body("chunked, gzip", true, "5\r\nHello\r\n0\r\n\r\n"),
  ],
  ...[" 5", "\n5", "5\xa0", "5\x0b", "\x0c5"].map((size): [string, () => string | undefined] => [
    `RFC 9112 §7.1: ${JSON.stringify(size)} is no size of a chunk`,
    () => body("chunked", false, `${size}\r\nHello\r\n0\r\n\r\n`),
  ]),
  [
    "a chunk line of exactly 1,024 bytes is taken wherever it is cut, between its CR and LF too",
    () => body("chunked", false, `5;${"x".repeat(1022)}\r\nHello\r\n0\r\n\r\n`),
  ],
];

for (const [what, check] of FINDS) {
  Deno.test(what, () => {
    const difference = check();
    if (difference !== undefined) fail(difference);
  });
}
