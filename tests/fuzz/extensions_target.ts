/** The negotiation of extensions under fuzz, and how its result is compared with the naive reader's. */
import {
  acceptOffer,
  checkAnswer,
  type DeflateSettings,
  formatOffer,
} from "../../handshake/deflate.ts";
import { WsHandshakeError } from "../../handshake/error.ts";
import { parseExtensions } from "../../handshake/extensions.ts";
import { latin1 } from "./generate_http.ts";
import { answerOffers, isAnswer, readAnswer, readExtensions } from "./naive_extensions.ts";

/** Who reads a header, and what it is set to. */
export interface ExtensionsSetup {
  role: "client" | "server";
  settings: DeflateSettings;
}

/** Reads an input as one side does; returns how the result differs from what it must be, if it does. */
export function checkExtensions(setup: ExtensionsSetup, input: Uint8Array): string | undefined {
  const header = latin1(input);
  const status = setup.role === "server" ? 400 : 101;
  const expected = readExtensions(header);
  const check = () => {
    const read = orRefused(status, () => parseExtensions(header, status));
    if (!isSame(read, expected)) return differ("the extensions", read, expected);
    return setup.role === "server"
      ? serve(header, setup.settings)
      : connect(header, setup.settings);
  };
  try {
    return check() ?? agree(setup.settings);
  } catch (error) {
    return String(error instanceof Error ? error.stack : error);
  }
}

/** The only exception that there may be. */
function orRefused<T>(status: number, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof WsHandshakeError && error.status === status) return undefined;
    throw error;
  }
}

/** What accept.ts does with a header. */
function serve(header: string, settings: DeflateSettings): string | undefined {
  let refused = true;
  const accepted = orRefused(400, () => {
    const accepted = acceptOffer(header, settings);
    refused = false;
    return accepted;
  });
  const offers = readExtensions(header);
  if (refused !== (offers === undefined)) return `Whether it is refused: ${refused}`;
  const expected = offers && answerOffers(offers, settings);
  const isRight = accepted === undefined || expected === undefined
    ? accepted === expected
    : isAnswer(accepted.answer, expected.answer) &&
      isSame(accepted.parameters, expected.parameters);
  return isRight ? undefined : differ("the answer", accepted, expected);
}

/** What client.ts does with a header. */
function connect(header: string, settings: DeflateSettings): string | undefined {
  const agreed = orRefused(101, () => checkAnswer(header, settings));
  const extensions = readExtensions(header);
  const expected = extensions && readAnswer(extensions, settings);
  return isSame(agreed, expected) ? undefined : differ("what is agreed on", agreed, expected);
}

/** What two sides with these settings, and with opposite ones, make of each other. */
function agree(settings: DeflateSettings): string | undefined {
  const other: DeflateSettings = {
    ...settings,
    serverNoContextTakeover: !settings.serverNoContextTakeover,
    clientMaxWindowBits: 23 - settings.clientMaxWindowBits,
  };
  for (const [client, server] of [[settings, other], [other, settings], [settings, settings]]) {
    const offer = formatOffer(client!);
    const accepted = acceptOffer(offer, server!);
    if (accepted === undefined) return `A server declines ${offer}`;
    const agreed = checkAnswer(accepted.answer, client!);
    if (!isSame(agreed, accepted.parameters)) {
      return differ(`what ${accepted.answer} means to a client`, agreed, accepted.parameters);
    }
  }
}

/** Whether two plain values are the same, the order of properties aside. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof typeof a>;
  return [...names].every((name) => isSame(a[name], b[name]));
}

function differ(what: string, actual: unknown, expected: unknown): string {
  return `${what}: ${Deno.inspect(actual)}\nexpected: ${Deno.inspect(expected)}`;
}
