/** What a typed line means: a message, or a command. */
import { CloseCode, encodeClose, type WsMessage } from "../framing/mod.ts";
import { UsageError } from "./arguments.ts";

/** What is to be done. */
export type Typed =
  | { do: "send"; message: WsMessage }
  | { do: "ping" }
  | { do: "close"; code: number; reason: string }
  | { do: "help" };

/** What `/help` prints. */
export const TYPED_HELP = [
  "/ping                 Send a Ping, and print the time until its Pong.",
  "/binary HEX           Send a binary message: /binary 00 ff 10",
  "/close [CODE REASON]  Close the connection: /close 4000 done",
  "/help                 Print this.",
  "//…                   Send a line that begins with one slash.",
];

/** Reads a line; throws a `UsageError` if it is no such command. */
export function readTyped(line: string): Typed {
  if (!line.startsWith("/")) return { do: "send", message: line };
  if (line.startsWith("//")) return { do: "send", message: line.slice(1) };
  const [, command = "", rest = ""] = line.match(/^(\S+)\s*(.*)$/s) ?? [];
  switch (command) {
    case "/ping":
      return { do: "ping" };
    case "/help":
      return { do: "help" };
    case "/binary":
      return { do: "send", message: bytesOf(rest) };
    case "/close":
      return { do: "close", ...closeOf(rest) };
    default:
      throw new UsageError(
        `There is no command ${command}: /help lists them all, // begins a message with a slash`,
      );
  }
}

function bytesOf(hex: string): Uint8Array {
  try {
    return Uint8Array.fromHex(hex.replaceAll(/\s/g, ""));
  } catch {
    throw new UsageError(
      `Cannot send "${hex}" as binary: it must be pairs of hexadecimal digits`,
    );
  }
}

function closeOf(rest: string): { code: number; reason: string } {
  const [, digits = "", reason = ""] = rest.match(/^(\S*)\s*(.*)$/s) ?? [];
  const code = digits === "" ? CloseCode.Normal : Number(digits);
  try {
    encodeClose(code, reason); // throws if they may not be sent
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return { code, reason };
}
