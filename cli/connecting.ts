/** What `connect` and `bench` share: the options of a connection, and why there is none. */
import { WsHandshakeError } from "../handshake/error.ts";
import type { WsConnectOptions } from "../client.ts";
import { type Option, readFileOf, UsageError } from "./arguments.ts";

/** The options of a connection. */
export const CONNECTING = {
  header: {
    type: "string",
    short: "H",
    multiple: true,
    value: "'NAME: VALUE'",
    help: "Send a header; any number of times.",
  },
  protocol: {
    type: "string",
    multiple: true,
    value: "NAME",
    help: "Offer a subprotocol; the preferred one first.",
  },
  compression: {
    type: "boolean",
    help: "Offer to compress messages (permessage-deflate).",
  },
  ca: {
    type: "string",
    value: "FILE",
    help:
      "Trust the certificates in FILE (PEM) besides those\nthat Deno trusts. Needs --allow-read=FILE.",
  },
  insecure: {
    type: "boolean",
    short: "k",
    help: "Refused: certificates are always checked. Use\n--ca.",
  },
} as const satisfies Record<string, Option>;

/** The values of {@linkcode CONNECTING}, as `parseArgs` gives them. */
export interface ConnectingValues {
  header?: string[] | undefined;
  protocol?: string[] | undefined;
  compression?: boolean | undefined;
  ca?: string | undefined;
  insecure?: boolean | undefined;
}

/** The options for `wsConnect`. */
export async function connectOptions(values: ConnectingValues): Promise<WsConnectOptions> {
  if (values.insecure) {
    throw new UsageError(
      "Cannot connect with --insecure: without a check of the certificate anybody on the way could read and change " +
        "what is sent. To trust a certificate of your own, name the one of the authority that signed it with --ca FILE " +
        "(PEM)",
    );
  }
  const headers = new Headers();
  for (const header of values.header ?? []) {
    const [, name, value] = header.match(/^([^:]+):([^]*)$/) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(
        `Cannot send the header "${header}": it must have the form "Name: value"`,
      );
    }
    try {
      headers.append(name, value.trim());
    } catch {
      throw new UsageError(`Cannot send the header "${header}": its name or value is malformed`);
    }
  }
  return {
    headers,
    protocols: values.protocol,
    compression: values.compression,
    caCerts: values.ca === undefined ? undefined : [await certificatesIn(values.ca)],
  };
}

/** The certificates of `--ca`. What is none, Deno would pass over in silence. */
async function certificatesIn(path: string): Promise<string> {
  const text = await readFileOf("ca", path);
  if (!text.includes("-----BEGIN CERTIFICATE-----")) {
    throw new UsageError(
      `Cannot trust "${path}": there is no certificate in the form of PEM in it`,
    );
  }
  return text;
}

/** What `wsConnect` has thrown, for people to read: what to do about it too. */
export function explain(error: unknown): string {
  // what it says of its arguments; Deno has its own classes for what happens later
  if (error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError) {
    throw new UsageError(error.message);
  }
  if (error instanceof Deno.errors.NotCapable) {
    throw new UsageError("Cannot connect without the permission to: deno run -N …");
  }
  const { message } = error as Error;
  if (error instanceof WsHandshakeError && error.body.length > 0) {
    return `${message}: ${new TextDecoder().decode(error.body.subarray(0, 1000))}`;
  }
  if (message.includes("invalid peer certificate")) {
    return `${message} (to trust a certificate of your own: --ca FILE)`;
  }
  return message;
}
