/** Deno.serve and Deno.upgradeWebSocket. See wsconn.ts for what the paths do. */
import { setImmediate } from "node:timers/promises";
import { tls } from "./tls.ts";

const listeners = new Set<WebSocket>();

async function source(socket: WebSocket, request: string): Promise<void> {
  const [, count, size, type] = request.split(" ");
  const text = "x".repeat(Number(size));
  const reply = type === "text" ? text : new TextEncoder().encode(text);
  for (let i = 0; i < Number(count); i++) {
    socket.send(reply);
    // nothing tells when there is room again: look now and then
    if (socket.bufferedAmount > 1 << 20) {
      while (socket.bufferedAmount > 1 << 18) await setImmediate();
    }
  }
}

function serve(socket: WebSocket, path: string): void {
  if (path === "/") socket.onmessage = ({ data }) => socket.send(data);
  else if (path === "/source") socket.onmessage = ({ data }) => void source(socket, data);
  else if (path === "/sink") {
    let count = 0;
    socket.onmessage = ({ data }) => {
      if (data === "END") {
        socket.send(String(count));
        count = 0;
      } else count++;
    };
  } else {
    socket.onopen = () => listeners.add(socket);
    socket.onclose = () => listeners.delete(socket);
    socket.onmessage = ({ data }) => listeners.forEach((other) => other.send(data));
  }
}

Deno.serve({
  ...tls,
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(port),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  serve(socket, new URL(request.url).pathname);
  return response;
});
