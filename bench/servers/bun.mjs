// Bun.serve, for `bun`: bun.mjs MODE. See wsconn.ts for what the paths do.
import process from "node:process";
import { Buffer } from "node:buffer";

const { Bun } = globalThis;

/** Sends until all is sent, or the socket is full (-1: this one still went in; 0: it did not). */
function pour(socket) {
  const { data } = socket;
  while (data.left > 0) {
    const sent = socket.send(data.reply);
    if (sent !== 0) data.left--;
    if (sent <= 0) return;
  }
}

const serve = {
  "/": (socket, message) => socket.send(message),
  "/sink": (socket, message) => {
    if (message !== "END") return void socket.data.count++;
    socket.send(String(socket.data.count));
    socket.data.count = 0;
  },
  "/source": (socket, message) => {
    const [, count, size, type] = message.split(" ");
    const text = "x".repeat(Number(size));
    socket.data.reply = type === "text" ? text : Buffer.from(text);
    socket.data.left = Number(count);
    pour(socket);
  },
  "/broadcast": (_, message) => void server.publish("all", message),
};

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const path = new URL(request.url).pathname;
    server.upgrade(request, { data: { path, count: 0, left: 0 } });
  },
  websocket: {
    idleTimeout: 0,
    maxPayloadLength: 1 << 26,
    backpressureLimit: 1 << 29,
    perMessageDeflate: process.argv.includes("deflate"),
    open: (socket) => socket.subscribe("all"),
    message: (socket, message) => void serve[socket.data.path](socket, message),
    drain: pour,
  },
});
console.log(server.port);
