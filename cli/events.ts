/** What happens to a connection, as `connect` tells it: in words, or as JSON. */
import type { WsConn } from "../conn.ts";
import type { CloseInfo, WsMessage } from "../framing/mod.ts";
import { WsHandshakeError } from "../handshake/error.ts";
import { hexPreview, preview, type Printer, sizeOf, timeOfDay } from "./printing.ts";

/** How events are told. */
export interface EventOptions {
  /** As objects of JSON, one a line, all of them on standard output. */
  json: boolean;
  /** In words, with the time and size of each message, and how the connection begins and ends. */
  details: boolean;
}

/** Tells what happens: messages on standard output, all else on standard error. */
export class Events {
  readonly #printer: Printer;
  readonly #options: EventOptions;

  constructor(printer: Printer, options: EventOptions) {
    this.#printer = printer;
    this.#options = options;
  }

  /** The connection is open. */
  open({ host, pathname, protocol: scheme }: URL, conn: WsConn): Promise<void> {
    const url = `${scheme}//${host}${pathname}`; // without a password, or a token in the query
    const { version, protocol, extensions, line, headers } = conn;
    const agreed = [version, protocol && `subprotocol ${protocol}`, extensions].filter(Boolean);
    return this.#tell(
      "open",
      { url, version, protocol, extensions, line, headers: [...headers] },
      this.#options.details ? `Connected to ${url} (${agreed.join(", ")})` : undefined,
    );
  }

  /** A message has arrived. */
  message(message: WsMessage): Promise<void> {
    const isText = typeof message === "string";
    if (this.#options.json) {
      const data = isText ? { text: message } : { base64: message.toBase64() };
      return this.#json("message", { size: sizeOf(message), ...data });
    }
    if (this.#options.details) {
      return this.#printer.line("stdout", `${timeOfDay()} ${preview(message)}`);
    }
    return this.#printer.line("stdout", isText ? message : hexPreview(message));
  }

  /** A Ping was answered. */
  ping(roundTripTime: number): Promise<void> {
    return this.#tell(
      "ping",
      { roundTripTime },
      `${timeOfDay()} Pong after ${roundTripTime.toFixed(2)} ms`,
    );
  }

  /** The connection has ended; `notable` if not as expected. */
  close({ code, reason, wasClean }: CloseInfo, notable: boolean): Promise<void> {
    const words = `Closed with ${code}${reason && ` "${reason}"`}${
      wasClean ? "" : ", not cleanly"
    }`;
    const tell = notable || this.#options.details;
    return this.#tell("close", { code, reason, wasClean }, tell ? words : undefined);
  }

  /** Something went wrong: `message` for people, and the error if there is one. */
  error(message: string, error?: unknown): Promise<void> {
    const refused = error instanceof WsHandshakeError && error.status > 0;
    return this.#tell(
      "error",
      { message, ...(refused ? { status: error.status } : {}) },
      message,
    );
  }

  /** Something to know for whoever types. */
  note(text: string): Promise<void> {
    return this.#printer.line("stderr", text);
  }

  /** Tells what is no message, in words if there are any. */
  async #tell(type: string, fields: object, words?: string): Promise<void> {
    if (this.#options.json) await this.#json(type, fields);
    else if (words !== undefined) await this.note(words);
  }

  #json(type: string, fields: object): Promise<void> {
    return this.#printer.json({ type, time: new Date().toISOString(), ...fields });
  }
}
