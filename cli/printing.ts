/** What is printed: nothing that a peer sends may control the terminal, or look like something else than it is. */
import type { WsMessage } from "../framing/mod.ts";
import type { Interrupt } from "./interrupt.ts";

/**
 * What is never printed as it is: control characters, of which terminal escapes are made; format characters, which
 * reorder or hide text (all but the two joiners, which scripts and emoji need); line separators; surrogates without
 * their other half.
 */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `text` on one line, with what is not safe to print in the notation of JavaScript's strings. */
export function escape(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return SHORT[character] ??
      (code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u{${code}}`);
  });
}

/** `value` as JSON on one line, with what is not safe to print as the escapes of JSON. */
export function safeJson(value: unknown): string {
  const unit = (text: string) => `\\u${text.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(UNSAFE, (character) => character.replace(/[^]/g, unit));
}

/** How much of a message is shown where people read: characters of text, and bytes. */
const MAX_TEXT = 4096, MAX_BYTES = 32;

const encoder = new TextEncoder();

/** The size of a message on its way, in bytes. */
export function sizeOf(message: WsMessage): number {
  return typeof message === "string" ? encoder.encode(message).length : message.length;
}

/** A message for people to read: its kind, its size, and its beginning. */
export function preview(message: WsMessage): string {
  if (typeof message !== "string") return hexPreview(message);
  const shown = message.slice(0, MAX_TEXT).replace(/[\ud800-\udbff]$/, "");
  const left = message.length - shown.length;
  return `[text ${sizeOf(message)} B] ${shown}${left === 0 ? "" : ` … (${left} characters more)`}`;
}

/** Bytes for people to read: their number, and the first of them in hex. */
export function hexPreview(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, MAX_BYTES).toHex().replace(/..(?!$)/g, "$& ");
  return `[binary ${bytes.length} B] ${shown}${bytes.length > MAX_BYTES ? " …" : ""}`;
}

/** The time of day here, to the millisecond. */
export function timeOfDay(date: Date = new Date()): string {
  return `${date.toTimeString().slice(0, 8)}.${`${date.getMilliseconds()}`.padStart(3, "0")}`;
}

/** A number with separators between its thousands. */
export function grouped(number: number, digits = 0): string {
  return number.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** Erases the line that the cursor stands on, and what is below it (ECMA-48: CR, ED). */
const ERASE = "\r\x1b[J";

/** Where lines are printed: messages and results on standard output, all else on standard error. */
export type Where = "stdout" | "stderr";

/** Prints lines, one after the other, and above the prompt if there is one. */
export class Printer implements Disposable {
  /** Draws the prompt, and what has been typed behind it, again. */
  prompt: (() => void) | undefined;
  readonly #writers = {
    stdout: Deno.stdout.writable.getWriter(),
    stderr: Deno.stderr.writable.getWriter(),
  };
  readonly #interrupt: Interrupt;
  #broken = false;

  /** `interrupt` is raised when nobody reads any more what is printed, as behind `| head`: that is a good end. */
  constructor(interrupt: Interrupt) {
    this.#interrupt = interrupt;
  }

  /** Prints `text`, escaped. Resolves when it is written: whoever prints faster than it is read has to wait. */
  line(where: Where, text: string): Promise<void> {
    return this.#print(where, escape(text));
  }

  /** Prints a value as JSON on standard output. */
  json(value: unknown): Promise<void> {
    return this.#print("stdout", safeJson(value));
  }

  async #print(where: Where, text: string): Promise<void> {
    const above = this.prompt !== undefined && Deno[where].isTerminal();
    await this.#write(where, `${above ? ERASE : ""}${text}\n`);
    if (above) this.prompt?.();
  }

  async #write(where: Where, text: string): Promise<void> {
    if (this.#broken) return;
    try {
      await this.#writers[where].write(encoder.encode(text));
    } catch {
      if (!this.#broken) this.#interrupt.raise(0);
      this.#broken = true;
    }
  }

  /** Shows `text`, this program's own, in place of what was shown before; on standard error, to be erased. */
  show(text: string): Promise<void> {
    return this.#write("stderr", ERASE + text);
  }

  /** Gives the streams back. */
  [Symbol.dispose](): void {
    this.#writers.stdout.releaseLock();
    this.#writers.stderr.releaseLock();
  }
}
