/**
 * A chat: the page and its WebSocket on one port.
 *
 *     deno run --allow-net --allow-read=examples/chat/page examples/chat/server.ts [--port 8080]
 *
 * `--help` prints the other options. docs/guide/chat.md tells how it is made.
 */
import { parseArgs } from "node:util";
import { wsServe } from "jsr:@wsconn/ws@^0.1";
import { MAX_MESSAGE } from "./messages.ts";
import { readPages } from "./pages.ts";
import { Room } from "./room.ts";
import { visit } from "./visitor.ts";

const HELP = `A chat: the page and its WebSocket on one port.

  --port PORT          where to listen; 0 takes a free port (8080)
  --host ADDRESS       which address to listen on (0.0.0.0, all of them)
  --compression        compress long messages (permessage-deflate)
  --cert FILE          certificate chain (PEM), with --key: serves https: and wss:
  --key FILE           private key (PEM)
  --origin ORIGIN      where the page comes from, if a proxy stands before this server,
                       such as https://chat.example.com; may be given several times
  --help               print this`;

function readOptions() {
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        port: { type: "string", default: "8080" },
        host: { type: "string", default: "0.0.0.0" },
        compression: { type: "boolean", default: false },
        cert: { type: "string" },
        key: { type: "string" },
        origin: { type: "string", multiple: true },
        help: { type: "boolean", default: false },
      },
    });
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65535) {
      throw new RangeError(`--port must be 0 to 65535: current value is ${values.port}`);
    }
    return { ...values, port };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    Deno.exit(2);
  }
}

const options = readOptions();
if (options.help) {
  console.log(HELP);
  Deno.exit();
}
const readText = (path: string | undefined) => path && Deno.readTextFileSync(path);
const room = new Room();
const server = wsServe((conn) => visit(conn, room), {
  port: options.port,
  hostname: options.host,
  cert: readText(options.cert),
  key: readText(options.key),
  compression: options.compression,
  origins: options.origin,
  maxMessageSize: MAX_MESSAGE,
  maxConnections: 1000,
  onRequest: await readPages(new URL("page/", import.meta.url)),
});
console.log(`Chat on ${server.url.replace("ws", "http")}`);

// every page is told 1001, and comes back when the server does
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  if (signal === "SIGTERM" && Deno.build.os === "windows") continue; // which has none
  Deno.addSignalListener(signal, async () => {
    await server.shutdown();
    Deno.exit();
  });
}
