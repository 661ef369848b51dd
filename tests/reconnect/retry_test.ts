import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  WsConnectionClosed,
  WsConnectionLost,
  WsHandshakeError,
  WsProtocolError,
  type WsRetryOptions,
} from "../../mod.ts";
import { delayBefore, isOrderly, mayPass, retryAfter, retrySettings } from "../../retry.ts";
import { seeded } from "../helpers/bytes.ts";

/** The longest delays before the first retries. */
const longest = (options: WsRetryOptions, retries: number[]) =>
  retries.map((retry) => delayBefore(retry, retrySettings(options), 1));

Deno.test("the longest delay doubles from firstDelay up to maxDelay", () => {
  const first = [1, 2, 3, 4, 5, 6, 7, 8];
  assertEquals(longest({}, first), [1, 2, 4, 8, 16, 32, 60, 60]);
  assertEquals(longest({ firstDelay: 0.5, maxDelay: 3 }, first), [0.5, 1, 2, 3, 3, 3, 3, 3]);
  assertEquals(longest({ factor: 3 }, first), [1, 3, 9, 27, 60, 60, 60, 60]);
  assertEquals(longest({ factor: 1 }, first), [1, 1, 1, 1, 1, 1, 1, 1]);
  assertEquals(longest({ firstDelay: 9, maxDelay: 5 }, first), [5, 5, 5, 5, 5, 5, 5, 5]);
  assertEquals(longest({}, [1e6, Infinity]), [60, 60]);
  assertEquals(longest({ firstDelay: 0 }, [1, 2000, Infinity]), [0, 0, 0]);
});

Deno.test("each delay is drawn from all of 0 to the longest, evenly", () => {
  const random = seeded(71);
  const settings = retrySettings({ firstDelay: 2 });
  for (const [retry, longest] of [[1, 2], [3, 8], [9, 60]] as const) {
    const delays = Array.from(
      { length: 4000 },
      () => delayBefore(retry, settings, random(1e6) / 1e6),
    );
    const quarters = [0, 0, 0, 0];
    for (const delay of delays) quarters[Math.floor(delay / longest * 4)]!++;
    for (const share of quarters) assert(Math.abs(share - 1000) < 150, `${quarters}`);
  }
});

Deno.test("what the server asks for comes before the delay, and both within maxDelay", () => {
  const settings = retrySettings({ firstDelay: 4, maxDelay: 30 });
  for (
    const [atLeast, random, delay] of [
      [0, 0.5, 2],
      [10, 0, 10],
      [10, 0.5, 12],
      [29, 0.5, 30],
      [3600, 0, 30],
      [Infinity, 0.5, 30],
    ] as const
  ) {
    assertEquals(delayBefore(1, settings, random, atLeast), delay);
  }
});

Deno.test("Retry-After: seconds, the three forms of a date, and what is neither", () => {
  const asked = (value: string) =>
    retryAfter(new WsHandshakeError(503, "busy", { headers: { "retry-after": value } }));
  for (
    const [value, seconds] of [
      ["0", 0],
      ["120", 120],
      [" 7 ", 7],
      ["9".repeat(400), Infinity],
      ["Sun, 06 Nov 1994 08:49:37 GMT", 0], // has passed
      ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
      ["Sun Nov  6 08:49:37 1994", 0],
      ["-1", undefined],
      ["1.5", undefined],
      ["1e3", undefined],
      ["5, 5", undefined],
      ["", undefined],
      ["soon", undefined],
      ["Never mind", undefined],
    ] as const
  ) {
    assertEquals(asked(value), seconds, value);
  }
  const date = new Date(Date.now() + 3600_000).toUTCString();
  const asctime = date.replace(/^(...), (\d\d) (...) (\d{4}) (\S+) GMT$/, "$1 $3 $2 $5 $4");
  for (const inAnHour of [date, asctime]) {
    const seconds = asked(inAnHour)!;
    assert(seconds > 3500 && seconds <= 3600, `${inAnHour}: ${seconds}`);
  }
  assertEquals(retryAfter(new WsHandshakeError(503, "busy")), undefined);
  assertEquals(retryAfter(new WsConnectionLost("gone")), undefined);
});

Deno.test("which refusals may pass", () => {
  for (
    const [passes, statuses] of [
      [true, [408, 429, 500, 501, 502, 503, 504, 505, 507, 511, 599]],
      [false, [101, 200, 204, 301, 302, 307, 308]],
      [false, [400, 401, 403, 404, 405, 407, 410, 421, 425, 426, 431, 451]],
    ] as const
  ) {
    for (const status of statuses) {
      assertEquals(mayPass(new WsHandshakeError(status, "no")), passes, `${status}`);
    }
  }
  assert(mayPass(new WsHandshakeError(0, "no answer")));
  assert(!mayPass(new WsHandshakeError(0, "not HTTP", { cause: new Error() })));
});

Deno.test("after which closings another connection may hold, and which are orderly", () => {
  for (
    const [code, passes, orderly] of [
      [1000, false, true],
      [1001, true, false],
      [1002, false, false],
      [1003, false, false],
      [1005, false, true],
      [1007, false, false],
      [1008, false, false],
      [1009, false, false],
      [1010, false, false],
      [1011, false, false],
      [1012, true, false],
      [1013, true, false],
      [1014, false, false],
      [3000, false, false],
      [4000, false, false],
    ] as const
  ) {
    const closed = new WsConnectionClosed({ code, reason: "", wasClean: true });
    assertEquals([mayPass(closed), isOrderly(closed)], [passes, orderly], `${code}`);
  }
});

Deno.test("which failures may pass", () => {
  const { errors } = Deno;
  for (
    const cause of [
      new WsConnectionLost("gone"),
      new errors.ConnectionRefused(),
      new errors.NotFound(),
      new errors.ConnectionReset(),
      new errors.ConnectionAborted(),
      new errors.BrokenPipe(),
      new errors.UnexpectedEof(),
      new errors.TimedOut(),
      new errors.NetworkUnreachable(),
      new errors.AddrNotAvailable(),
      Object.assign(new Error("No route to host (os error 113)"), { code: "EHOSTUNREACH" }),
      Object.assign(new Error("Client network socket disconnected"), { code: "ECONNRESET" }),
      new Error("failed to lookup address information: Name or service not known"),
      new Error("Cannot connect to the proxy p: failed to lookup address information: No"),
    ]
  ) {
    assert(mayPass(cause), `${cause}`);
  }
  for (
    const cause of [
      new WsProtocolError(1002, "bad frame"),
      new WsConnectionClosed(),
      new errors.InvalidData("invalid peer certificate: Expired"),
      new errors.NotCapable("Requires net access"),
      new errors.PermissionDenied(),
      new SyntaxError("not a URL"),
      new TypeError("bad header"),
      new RangeError("bad port"),
      new Error("something else"),
      new DOMException("aborted", "AbortError"),
      "a string",
      undefined,
    ]
  ) {
    assert(!mayPass(cause), `${cause}`);
  }
});

Deno.test("settings out of range are refused by name, with their value", () => {
  for (
    const [wrong, message] of [
      [{ firstDelay: -1 }, "firstDelay must be a number of seconds: current value is -1"],
      [{ maxDelay: NaN }, "maxDelay must be a number of seconds: current value is NaN"],
      [{ resetAfter: -2 }, "resetAfter must be a number of seconds: current value is -2"],
      [{ factor: 0.5 }, "factor must be a number of at least 1: current value is 0.5"],
      [{ factor: Infinity }, "current value is Infinity"],
      [{ maxRetries: -1 }, "maxRetries must be a number of retries: current value is -1"],
      [{ maxRetries: NaN }, "current value is NaN"],
    ] as const
  ) {
    assertThrows(() => retrySettings(wrong), RangeError, message);
  }
});
