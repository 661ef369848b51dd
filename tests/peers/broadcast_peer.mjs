// Clients of npm ws on Node, all at once: node broadcast_peer.mjs MODULE URL CLIENTS, the last `perMessageDeflate` of each
// as JSON. When all are open one says "go"; each must then get what compression_exchange.mjs has, and be closed with 1000.
import { largeMessages, messages, same } from "./compression_exchange.mjs";

const [module, url, clients] = process.argv.slice(2);
const { WebSocket } = await import(module);
const expected = [...messages, ...largeMessages];

const sockets = JSON.parse(clients).map((perMessageDeflate) => {
  const socket = new WebSocket(url, { perMessageDeflate });
  const who = JSON.stringify(perMessageDeflate);
  let count = 0;
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? new Uint8Array(data) : data.toString();
    if (!same(message, expected[count])) throw new Error(`${who}: message ${count} has changed`);
    count++;
  });
  const opened = new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  const closed = new Promise((resolve, reject) => {
    socket.on("close", (code) => {
      if (code === 1000 && count === expected.length) resolve();
      else reject(new Error(`${who}: closed with ${code} after ${count} messages`));
    });
  });
  closed.catch(() => {}); // is told below
  return { socket, opened, closed };
});
await Promise.all(sockets.map(({ opened }) => opened));
sockets[0].socket.send("go");
await Promise.all(sockets.map(({ closed }) => closed));
