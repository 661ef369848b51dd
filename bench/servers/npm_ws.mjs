// npm ws, on Deno and on Node: npm_ws.mjs MODULE [tls] MODE. See wsconn.ts for what the paths do.
import { readFileSync } from "node:fs";
import { createServer as createPlain } from "node:http";
import { createServer as createSecure } from "node:https";
import process from "node:process";

const [module, ...words] = process.argv.slice(2);
const { WebSocketServer } = await import(module);
const read = (name) => readFileSync(new URL(`../../examples/certs/${name}`, import.meta.url));
const http = words.includes("tls")
  ? createSecure({ cert: read("localhost.pem"), key: read("localhost.key.pem") })
  : createPlain();
const server = new WebSocketServer({
  server: http,
  perMessageDeflate: words.includes("deflate"),
  maxPayload: 1 << 25,
});

async function source(socket, request) {
  const [, count, size, type] = request.split(" ");
  const text = "x".repeat(Number(size));
  const reply = type === "text" ? text : Buffer.from(text);
  for (let i = 0; i < Number(count); i++) {
    if (socket.bufferedAmount < 1 << 20) socket.send(reply);
    else await new Promise((resolve) => socket.send(reply, resolve));
  }
}

server.on("connection", (socket, { url }) => {
  socket.on("error", () => {});
  if (url === "/") socket.on("message", (data, binary) => socket.send(data, { binary }));
  else if (url === "/source") socket.on("message", (data) => void source(socket, String(data)));
  else if (url === "/sink") {
    let count = 0;
    socket.on("message", (data) => {
      if (data.length === 3 && String(data) === "END") {
        socket.send(String(count));
        count = 0;
      } else count++;
    });
  } else {
    socket.on("message", (data, binary) => {
      for (const other of server.clients) other.send(data, { binary });
    });
  }
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
