/**
 * An echo server, and a page to talk to it:
 *
 *     deno run --allow-net examples/echo_server.ts [--port 8080]
 */
import { wsServe } from "jsr:@wsconn/ws@^0.1";

const page = `<!DOCTYPE html>
<meta charset="utf-8">
<title>Echo</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  #log { list-style: none; padding: 0; }
  #log li { padding: .2rem 0; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
  form { display: flex; gap: .5rem; }
  input { flex: 1; font: inherit; padding: .4rem; }
  button { font: inherit; padding: .4rem 1rem; }
</style>
<h1>Echo</h1>
<form><input autofocus placeholder="Say something" autocomplete="off"><button>Send</button></form>
<p id="state">Connecting …</p>
<ul id="log"></ul>
<script>
  const [form, input, state, log] = ["form", "input", "#state", "#log"].map((s) => document.querySelector(s));
  const note = (text) => log.prepend(Object.assign(document.createElement("li"), { textContent: text }));
  const socket = new WebSocket(location.href.replace("http", "ws"));
  socket.onopen = () => state.textContent = "Connected";
  socket.onmessage = ({ data }) => note("← " + data);
  socket.onclose = ({ code, reason }) => state.textContent = "Closed: " + code + " " + reason;
  form.onsubmit = (event) => {
    event.preventDefault();
    socket.send(input.value);
    note("→ " + input.value);
    input.value = "";
  };
</script>`;

const flag = Deno.args.indexOf("--port");
const port = flag === -1 ? 8080 : Number(Deno.args[flag + 1]);

const server = wsServe(async (conn) => {
  for await (const message of conn) await conn.send(message);
}, {
  port,
  onListen: (addr) =>
    console.log(`Echo server on http://localhost:${(addr as Deno.NetAddr).port}/`),
  onRequest: () => new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } }),
});

Deno.addSignalListener("SIGINT", async () => {
  console.log("Shutting down");
  await server.shutdown(); // every client is told 1001
  Deno.exit();
});
