/** Interop of permessage-deflate with npm ws on Node, in both roles: whatever the two sides can agree on. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { type CompressionOptions, type WsConn, wsConnect, wsServe } from "../../mod.ts";
import { openHandles } from "../helpers/deflate.ts";
import { needsNode, runNode, servePeer } from "../helpers/node.ts";
import { LOCAL } from "../helpers/sockets.ts";
import { largeMessages, lengthOf, messages, pieces, same } from "./compression_exchange.mjs";

const WS = import.meta.resolve("npm:ws@8.23.0");
await import("npm:ws@8.23.0"); // downloads it

/** All that one side can ask for; `ws` takes the same options. */
const ASKED: CompressionOptions[] = [false, true].flatMap((serverNoContextTakeover) =>
  [false, true].flatMap((clientNoContextTakeover) =>
    [undefined, 9, 15].flatMap((serverMaxWindowBits) =>
      [undefined, 8, 9].map((clientMaxWindowBits) => ({
        ...(serverNoContextTakeover ? { serverNoContextTakeover } : {}),
        ...(clientNoContextTakeover ? { clientNoContextTakeover } : {}),
        ...(serverMaxWindowBits ? { serverMaxWindowBits } : {}),
        ...(clientMaxWindowBits ? { clientMaxWindowBits } : {}),
      }))
    )
  )
);
const SIDES = ["client", "server"] as const;

/** What an answer says when one side asks for `options`, without the parameters that say nothing. */
function agreed(options: CompressionOptions): string[] {
  const { serverMaxWindowBits = 15, clientMaxWindowBits = 15 } = options;
  return [
    ...(options.serverNoContextTakeover ? ["server_no_context_takeover"] : []),
    ...(options.clientNoContextTakeover ? ["client_no_context_takeover"] : []),
    ...(serverMaxWindowBits < 15 ? [`server_max_window_bits=${serverMaxWindowBits}`] : []),
    ...(clientMaxWindowBits < 15 ? [`client_max_window_bits=${clientMaxWindowBits}`] : []),
  ];
}

function assertAgreed(conn: WsConn, options: CompressionOptions, who: string): void {
  const [name, ...params] = conn.extensions.split(/; ?/);
  assertEquals(name, "permessage-deflate");
  const telling = params.filter((param) => !param.endsWith("=15"));
  assertEquals(
    telling.sort(),
    agreed(options).sort(),
    `${who} asks for ${JSON.stringify(options)}`,
  );
}

/** Large messages go over a few of the connections: with all of the window, and with little of it. */
function hasLarge(options: CompressionOptions): boolean {
  return options.clientMaxWindowBits === options.serverMaxWindowBits;
}

Deno.test({
  ...needsNode(`our client and ws's server: ${ASKED.length} ways to compress, asked for by either`),
  async fn() {
    await using server = await servePeer("node", "compression_peer.mjs", "server", WS);
    for (const side of SIDES) {
      for (const options of ASKED) {
        const theirs = JSON.stringify(side === "server" ? options : {});
        const url = `ws://127.0.0.1:${server.port}/?${encodeURIComponent(theirs)}`;
        const conn = await wsConnect(url, { compression: side === "client" ? options : true });
        assertAgreed(conn, options, side);
        const list = hasLarge(options) ? [...messages, ...largeMessages] : messages;
        const sending = (async () => {
          for (const message of list) {
            if (typeof message === "string" && message.startsWith("!")) {
              await conn.sendStream(ReadableStream.from(pieces(message)), { type: "text" });
            } else await conn.send(message);
          }
        })();
        for (const message of list) assert(same(await conn.recv(), message), url);
        await sending;
        await conn.send("bytes?");
        const [read, written] = (await conn.recv() as string).split(" ").map(Number);
        assertLess(read!, lengthOf(list) * 0.75);
        assertLess(written!, lengthOf(list) * 0.75);
        assertEquals(await conn.close(4000, "bye"), { code: 4000, reason: "bye", wasClean: true });
      }
    }
    assertEquals(openHandles(), 0);
  },
});

Deno.test({
  ...needsNode(`ws's client and our server: ${ASKED.length} ways to compress, asked for by either`),
  async fn() {
    const serve = (side: string, options: CompressionOptions) =>
      wsServe(async (conn) => {
        assertAgreed(conn, options, side);
        for await (const message of conn) {
          if (typeof message === "string" && message.startsWith("!")) {
            await conn.sendStream(ReadableStream.from(pieces(message)), { type: "text" });
          } else await conn.send(message);
        }
      }, {
        ...LOCAL,
        compression: side === "server" ? options : true,
        onError: (e) => errors.push(e),
      });
    const errors: unknown[] = [];
    await using servers = new AsyncDisposableStack();
    const connections = SIDES.flatMap((side) =>
      ASKED.map((options) => {
        const { url } = servers.use(serve(side, options));
        return [url, side === "client" ? options : {}, hasLarge(options)];
      })
    );
    await runNode("compression_peer.mjs", "client", WS, JSON.stringify(connections));
    assertEquals(errors, []);
  },
});
