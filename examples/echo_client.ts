/**
 * Sends a line and prints what comes back:
 *
 *     deno run --allow-net examples/echo_client.ts ws://localhost:8080/ "Hello there"
 */
import { wsConnect } from "jsr:@wsconn/ws@^0.1";

const [url = "ws://localhost:8080/", text = "Hello"] = Deno.args;

await using conn = await wsConnect(url);
await conn.send(text);
console.log(await conn.recv());
