/** The command `serve`: an echo server. */
import { parseArgs } from "node:util";
import type { WsConn } from "../conn.ts";
import { wsServe, type WsServer } from "../server.ts";
import {
  type Command,
  HELP,
  numberOf,
  type Option,
  parsed,
  readFileOf,
  RUN,
  UsageError,
} from "./arguments.ts";
import { Interrupt } from "./interrupt.ts";
import { preview, Printer, timeOfDay } from "./printing.ts";

const OPTIONS = {
  port: {
    type: "string",
    short: "p",
    value: "PORT",
    help: "The port; 0 takes a free one. Default: 8080.",
  },
  host: {
    type: "string",
    value: "ADDRESS",
    help: "The address to listen on; 0.0.0.0 for all.\nDefault: 127.0.0.1, this machine only.",
  },
  cert: {
    type: "string",
    value: "FILE",
    help: "Serve wss: with the certificate chain in FILE (PEM).\nNeeds --allow-read=FILE.",
  },
  key: {
    type: "string",
    value: "FILE",
    help: "The private key of the certificate (PEM).\nNeeds --allow-read=FILE.",
  },
  compression: {
    type: "boolean",
    help: "Compress, with clients that can (permessage-deflate).",
  },
  verbose: {
    type: "boolean",
    short: "v",
    help: "Print each connection, and each message that arrives.",
  },
  help: HELP,
} as const satisfies Record<string, Option>;

/** See the help. */
export const SERVE: Command = {
  usage: "serve [OPTIONS]",
  about: `Sends every message back to whoever sent it, to browsers with pages of any
origin too. Prints its URL first. Ctrl-C ends it, and tells every client.`,
  options: OPTIONS,
  more: `Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  could not listen
  2  wrong usage, or a permission or file that is missing

Examples:
  ${RUN} serve --port 8080
  deno run -N -R jsr:@wsconn/ws/cli serve --cert cert.pem --key key.pem`,
  run: serve,
};

async function serve(args: string[]): Promise<number> {
  const { values } = parsed(() => parseArgs({ args, options: OPTIONS }));
  const { host = "127.0.0.1", cert, key, compression, verbose = false } = values;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("Cannot serve TLS with only one of --cert and --key: it takes both");
  }
  const options = {
    hostname: host,
    port: numberOf("port", values.port, 8080, { min: 0, max: 65535 }),
    cert: cert === undefined ? undefined : await readFileOf("cert", cert),
    key: key === undefined ? undefined : await readFileOf("key", key),
    compression,
    origins: "*", // an echo has no secrets
  } as const;
  using interrupt = new Interrupt();
  using printer = new Printer(interrupt);
  const log = (conn: WsConn | undefined, text: string) =>
    verbose
      ? printer.line("stdout", `${timeOfDay()}${conn ? ` ${clientOf(conn)}` : ""} ${text}`)
      : undefined;
  let server: WsServer;
  try {
    server = wsServe(async (conn) => {
      await log(
        conn,
        `${conn.line} (${[conn.version, conn.extensions].filter(Boolean).join(", ")})`,
      );
      void conn.finished.then(({ code, reason }) =>
        log(conn, `closed with ${code}${reason && ` "${reason}"`}`)
      );
      for await (const message of conn) {
        await log(conn, preview(message));
        await conn.send(message);
      }
    }, { ...options, onError: (error) => void log(undefined, (error as Error).message) });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError("Cannot listen without the permission to: deno run -N …");
    }
    const message = `Cannot listen on ${host}:${options.port}: ${(error as Error).message}`;
    await printer.line("stderr", message);
    return 1;
  }
  await printer.line("stdout", `Echo server on ${server.url}`);
  await interrupt.once;
  await Promise.race([server.shutdown(), interrupt.again]);
  return 0;
}

function clientOf({ remoteAddr }: WsConn): string {
  const { hostname, port } = remoteAddr as Deno.NetAddr;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
