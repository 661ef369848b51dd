/**
 * Prints what a server sends, and stays connected to it: through restarts, refusals and lost connections.
 *
 *     deno run --allow-net examples/reconnect.ts ws://localhost:8080/
 *
 * Ends when the server closes the connection with 1000, and on Ctrl-C.
 */
import { wsReconnect } from "jsr:@wsconn/ws@^0.1";

const [url = "ws://localhost:8080/"] = Deno.args;

const conns = wsReconnect(url, {
  onOpen: (conn) => console.log(`Connected: ${conn.line}`),
  onRetry: ({ attempt, delay, cause }) => {
    const why = cause instanceof Error ? cause.message : cause;
    console.log(`${why}; attempt ${attempt} follows in ${delay.toFixed(2)} s`);
  },
});

for await (const conn of conns) {
  for await (const message of conn) console.log(message);
}
