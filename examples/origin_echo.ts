/**
 * The example of the manual of Racket's net/websocket (§3.4): an echo server that answers the drafts of 2010 with the
 * origin and location of the request, through `connHeaders`. Clients of RFC 6455 are served on the same port.
 *
 *     deno run --allow-net examples/origin_echo.ts [PORT]
 *
 * The command line has a client of those drafts: deno run -N cli.ts --json --version hixie-76 ws://localhost:8080/
 */
import { wsServe } from "jsr:@wsconn/ws@^0.1";

const server = wsServe<{ origin: string }>(async (conn, state) => {
  for await (const message of conn) await conn.send(message);
  console.log(`${state.origin} has left`);
}, {
  port: Number(Deno.args[0] ?? 8080),
  origins: "*",
  connHeaders: (_line, headers, { version, url }) => {
    const origin = headers.get("origin") ?? "somebody";
    return {
      headers: version === "hixie-76"
        ? [["Sec-WebSocket-Origin", origin], ["Sec-WebSocket-Location", url.href]]
        : [],
      state: { origin },
    };
  },
});
console.log(server.url);
