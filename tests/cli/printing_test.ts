/** What is printed, and what lines mean. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/arguments.ts";
import { escape, preview, safeJson, timeOfDay } from "../../cli/printing.ts";
import { readTyped } from "../../cli/typed.ts";

/** Each with what is printed of it, as text and in JSON. */
const UNSAFE: [what: string, text: string, escaped: string, json: string][] = [
  ["a terminal escape (CSI)", "a\x1b[2Jb", "a\\x1b[2Jb", "a\\u001b[2Jb"],
  ["one that sets the title (OSC)", "\x1b]0;x\x07", "\\x1b]0;x\\x07", "\\u001b]0;x\\u0007"],
  ["CSI in one byte (C1)", "\x9b31m", "\\x9b31m", "\\u009b31m"],
  ["a line feed", "a\nb", "a\\nb", "a\\nb"],
  ["a carriage return", "a\rb", "a\\rb", "a\\rb"],
  ["a tab", "a\tb", "a\\tb", "a\\tb"],
  ["a backspace", "a\bb", "a\\x08b", "a\\bb"],
  ["NUL and DEL", "\0\x7f", "\\x00\\x7f", "\\u0000\\u007f"],
  ["bidi override", "\u202eabc\u202c", "\\u{202e}abc\\u{202c}", "\\u202eabc\\u202c"],
  ["bidi isolates", "\u2066a\u2069", "\\u{2066}a\\u{2069}", "\\u2066a\\u2069"],
  ["bidi marks", "\u200e\u200f\u061c", "\\u{200e}\\u{200f}\\u{61c}", "\\u200e\\u200f\\u061c"],
  [
    "zero width, soft hyphen, BOM",
    "\u200b\xad\ufeff",
    "\\u{200b}\\xad\\u{feff}",
    "\\u200b\\u00ad\\ufeff",
  ],
  ["line separators", "\u2028\u2029\x85", "\\u{2028}\\u{2029}\\x85", "\\u2028\\u2029\\u0085"],
  ["tags", "\u{e0041}", "\\u{e0041}", "\\udb40\\udc41"],
  ["surrogates without their half", "\ud83d \udc4b", "\\u{d83d} \\u{dc4b}", "\\ud83d \\udc4b"],
];

/** What is printed as it is. */
const SAFE = ["", "hello", "Grüße, 世界", "👋🏽 👨‍👩‍👧", "नमस्ते", "می‌خواهم", "שלום", 'C:\\new "x"'];

Deno.test("printing: nothing that arrives can control the terminal", async (t) => {
  for (const [what, text, escaped, json] of UNSAFE) {
    await t.step(what, () => {
      assertEquals(escape(text), escaped);
      assertEquals(safeJson({ text }), `{"text":"${json}"}`);
      assertEquals(JSON.parse(safeJson({ text })), { text });
    });
  }
  await t.step("every control, format and separator character, and every surrogate", () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      const character = String.fromCodePoint(code);
      if (
        /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(character) && !/[\u200c\u200d]/.test(character)
      ) {
        assert(!escape(character).includes(character), code.toString(16));
        assert(!safeJson(character).includes(character), code.toString(16));
      } else if (escape(character) !== character) assert(false, code.toString(16));
    }
  });
  for (const text of SAFE) {
    await t.step(`as it is: ${text}`, () => assertEquals(escape(text), text));
  }
});

Deno.test("printing: previews of messages", () => {
  const long = "👋".repeat(3000);
  const bytes = new Uint8Array(33).fill(0xab);
  const table = [
    ["", "[text 0 B] "],
    ["é", "[text 2 B] é"],
    [long, `[text 12000 B] ${"👋".repeat(2048)} … (1904 characters more)`],
    ["x" + long, `[text 12001 B] x${"👋".repeat(2047)} … (1906 characters more)`],
    [new Uint8Array(), "[binary 0 B] "],
    [Uint8Array.of(0, 16, 255), "[binary 3 B] 00 10 ff"],
    [bytes.subarray(1), `[binary 32 B] ${"ab ".repeat(32).trimEnd()}`],
    [bytes, `[binary 33 B] ${"ab ".repeat(32)}…`],
  ] as const;
  for (const [message, shown] of table) assertEquals(preview(message), shown);
  assertEquals(timeOfDay(new Date(2020, 1, 2, 3, 4, 5, 6)), "03:04:05.006");
});

Deno.test("printing: what a typed line means", () => {
  const send = (message: string | Uint8Array) => ({ do: "send", message });
  const table = [
    ["hello", send("hello")],
    ["", send("")],
    [" /ping", send(" /ping")],
    ["//", send("/")],
    ["//close me", send("/close me")],
    ["/ping", { do: "ping" }],
    ["/help", { do: "help" }],
    ["/binary", send(new Uint8Array())],
    ["/binary 00 Ff  10", send(Uint8Array.of(0, 255, 16))],
    ["/close", { do: "close", code: 1000, reason: "" }],
    ["/close 4000", { do: "close", code: 4000, reason: "" }],
    ["/close 4000 all  done", { do: "close", code: 4000, reason: "all  done" }],
  ] as const;
  for (const [line, typed] of table) assertEquals<unknown>(readTyped(line), typed, line);
  for (
    const line of ["/", "/nothing", "/PING", "/binary 0", "/binary xy", "/close x", "/close 999"]
  ) {
    assertThrows(() => readTyped(line), UsageError, undefined, line);
  }
  assertThrows(() => readTyped(`/close 1000 ${"é".repeat(62)}`), UsageError);
});
