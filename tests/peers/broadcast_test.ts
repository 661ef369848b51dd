/** What is broadcast to clients of npm ws on Node, with every kind of compression at once. */
import { assertEquals } from "@std/assert";
import { broadcast, type CompressionOptions, wsServe } from "../../mod.ts";
import { openHandles } from "../helpers/deflate.ts";
import { needsNode, runNode } from "../helpers/node.ts";
import { LOCAL } from "../helpers/sockets.ts";
import { largeMessages, messages } from "./compression_exchange.mjs";

const WS = import.meta.resolve("npm:ws@8.23.0");
await import("npm:ws@8.23.0"); // downloads it

/** Without compression, and with all that a client can ask of the server's; two of each. */
const CLIENTS: (false | CompressionOptions)[] = [false, true].flatMap((serverNoContextTakeover) =>
  [undefined, 9, 12].map((serverMaxWindowBits): CompressionOptions => ({
    ...(serverNoContextTakeover ? { serverNoContextTakeover } : {}),
    ...(serverMaxWindowBits ? { serverMaxWindowBits } : {}),
  }))
);
const ALL = [false, ...CLIENTS, false, ...CLIENTS];

for (const compression of [false, true, { serverNoContextTakeover: true, threshold: 0 }]) {
  Deno.test({
    ...needsNode(
      `ws's clients and our broadcast, ${JSON.stringify(compression)}: ${ALL.length} at once`,
    ),
    async fn() {
      const errors: unknown[] = [];
      const server = wsServe(async (conn) => {
        for await (const _go of conn) {
          for (const message of [...messages, ...largeMessages]) {
            const { sent } = broadcast(server.connections, message, { maxBuffered: Infinity });
            assertEquals(sent, ALL.length);
          }
          for (const other of server.connections) void other.close();
        }
      }, { ...LOCAL, compression, onError: (error) => errors.push(error) });
      await runNode("broadcast_peer.mjs", WS, server.url, JSON.stringify(ALL));
      await server.shutdown();
      assertEquals(errors, []);
      assertEquals(openHandles(), 0);
    },
  });
}
