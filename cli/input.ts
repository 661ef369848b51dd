/** The lines that are sent: typed at a prompt, or piped in. */
import { TextLineStream } from "@std/streams/text-line-stream";
// the line editor of Node, which Deno brings along: what is typed survives what is printed meanwhile
import { createInterface } from "node:readline";
import process from "node:process";
import { UsageError } from "./arguments.ts";
import type { Printer } from "./printing.ts";

/** Lines that come from standard input, until it ends or this is disposed. */
export interface Input extends Disposable {
  readonly lines: AsyncIterable<string>;
}

/**
 * Opens standard input. At a terminal a prompt is drawn on standard error.
 *
 * @param printer Is told of the prompt.
 * @param onInterrupt Ctrl-C at the prompt, which is a key there and no signal.
 */
export function openInput(printer: Printer, onInterrupt: () => void): Input {
  return Deno.stdin.isTerminal() && Deno.stderr.isTerminal()
    ? typedInput(printer, onInterrupt)
    : pipedInput();
}

function typedInput(printer: Printer, onInterrupt: () => void): Input {
  const prompt = createInterface({ input: process.stdin, output: process.stderr, prompt: "> " });
  prompt.on("SIGINT", onInterrupt);
  // it closes itself on Ctrl-D, before the lines until then are taken, and can draw nothing from then on
  prompt.on("close", () => printer.prompt = undefined);
  printer.prompt = () => prompt.prompt(true);
  async function* lines() {
    printer.prompt?.();
    for await (const line of prompt) {
      yield line;
      printer.prompt?.();
    }
  }
  return {
    lines: lines(),
    [Symbol.dispose]() {
      prompt.close(); // and the terminal is as it was
      process.stderr.write("\n");
    },
  };
}

function pipedInput(): Input {
  // what is not UTF-8 cannot be sent as text (RFC 6455 §5.6)
  const decoder = new TextDecoderStream("utf-8", { fatal: true, ignoreBOM: true });
  const reader = Deno.stdin.readable.pipeThrough(decoder).pipeThrough(new TextLineStream())
    .getReader();
  async function* lines() {
    try {
      for (let read; !(read = await reader.read()).done;) yield read.value;
    } catch (error) {
      throw error instanceof TypeError
        ? new UsageError("Cannot send what is piped in: it is not UTF-8")
        : error;
    }
  }
  return {
    lines: lines(),
    [Symbol.dispose]() {
      void reader.cancel().catch(() => {}); // a read that waits on a pipe ends with the program only
    },
  };
}
