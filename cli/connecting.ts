/** What `connect` and `bench` share: the options of a connection, and why there is none. */
import { WsHandshakeError } from "../handshake/error.ts";
import type { WsConnectOptions } from "../client.ts";
import { numberOf, type Option, readFileOf, UsageError } from "./arguments.ts";

/** All of them: Deno's errors name one after the other. */
const UNIX_PERMISSIONS = "a Unix socket takes --allow-read=PATH --allow-write=PATH " +
  "--allow-net=unix:PATH, the last with the absolute path";

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
  cert: {
    type: "string",
    value: "FILE",
    help: "Show a wss: server the certificate in FILE (PEM).\nNeeds --allow-read=FILE.",
  },
  key: {
    type: "string",
    value: "FILE",
    help: "The private key of that certificate (PEM).\nNeeds --allow-read=FILE.",
  },
  insecure: {
    type: "boolean",
    short: "k",
    help: "Refused: certificates are always checked. Use\n--ca.",
  },
  proxy: {
    type: "string",
    value: "URL",
    help: "Go through an HTTP proxy; or none; or environment,\n" +
      "the default: the one in $HTTPS_PROXY and the like,\n" +
      "where --allow-env lets them be read.",
  },
  "proxy-header": {
    type: "string",
    multiple: true,
    value: "HEADER",
    help: "Send the proxy a header, 'NAME: VALUE'; any number\nof times.",
  },
  unix: {
    type: "string",
    value: "PATH",
    help: "Connect to a Unix socket. Needs --allow-read=PATH,\n" +
      "--allow-write=PATH and --allow-net=unix:PATH, here\nthe absolute one.",
  },
  "max-redirects": {
    type: "string",
    value: "NUMBER",
    help: "How many redirects to follow at most. Default: 0.",
  },
} as const satisfies Record<string, Option>;

/** The values of {@linkcode CONNECTING}, as `parseArgs` gives them. */
export interface ConnectingValues {
  header?: string[] | undefined;
  protocol?: string[] | undefined;
  compression?: boolean | undefined;
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  insecure?: boolean | undefined;
  proxy?: string | undefined;
  "proxy-header"?: string[] | undefined;
  unix?: string | undefined;
  "max-redirects"?: string | undefined;
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
  if (values.proxy === "environment" && !PROXY_VARIABLES.some(isReadable)) {
    throw new UsageError(
      "Cannot take the proxy of the environment: reading it takes a permission of its own: " +
        "deno run -N --allow-env=HTTPS_PROXY,HTTP_PROXY,ALL_PROXY,NO_PROXY …",
    );
  }
  const ca = await readPem("ca", values.ca, "CERTIFICATE");
  return {
    headers: headersOf(values.header),
    protocols: values.protocol,
    compression: values.compression,
    caCerts: ca === undefined ? undefined : [ca],
    cert: await readPem("cert", values.cert, "CERTIFICATE"),
    key: await readPem("key", values.key, "PRIVATE KEY"),
    proxy: values.proxy,
    proxyHeaders: headersOf(values["proxy-header"]),
    unix: values.unix,
    maxRedirects: numberOf("max-redirects", values["max-redirects"], 0, { min: 0 }),
  };
}

/** Where the environment names a proxy, as dial.ts reads it. */
const PROXY_VARIABLES = ["https_proxy", "http_proxy", "all_proxy"]
  .flatMap((name) => [name, name.toUpperCase()]);

function isReadable(variable: string): boolean {
  return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

function headersOf(lines: string[] = []): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = line.match(/^([^:]+):([^]*)$/) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(
        `Cannot send the header "${line}": it must have the form "Name: value"`,
      );
    }
    try {
      headers.append(name, value.trim());
    } catch {
      throw new UsageError(`Cannot send the header "${line}": its name or value is malformed`);
    }
  }
  return headers;
}

/** The text of the file that an option names, if it does. What is not in PEM, Deno may pass over in silence. */
async function readPem(
  option: string,
  path: string | undefined,
  label: "CERTIFICATE" | "PRIVATE KEY",
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readFileOf(option, path);
  if (!text.includes(`${label}-----`)) { // a word may stand before it: "BEGIN EC PRIVATE KEY"
    const what = label.toLowerCase();
    throw new UsageError(`Cannot take "${path}" for --${option}: it has no ${what} (PEM) in it`);
  }
  return text;
}

/** What `wsConnect` has thrown at these options, for people to read: what to do about it too. */
export function explain(error: unknown, { unix }: WsConnectOptions): string {
  // what it says of its arguments; Deno has its own classes for what happens later
  if (error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError) {
    throw new UsageError(error.message);
  }
  const { message: what } = error as Error;
  const message = what.startsWith("Cannot ") ? what : `Cannot connect: ${what}`;
  if (error instanceof Deno.errors.NotCapable) {
    throw new UsageError(unix === undefined ? message : `${message} (${UNIX_PERMISSIONS})`);
  }
  if (error instanceof WsHandshakeError && error.body.length > 0) {
    return `${message}: ${new TextDecoder().decode(error.body.subarray(0, 1000))}`;
  }
  if (message.includes("invalid peer certificate")) {
    return `${message} (to trust a certificate of your own: --ca FILE)`;
  }
  return message;
}
