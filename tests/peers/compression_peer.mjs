// npm ws with compression, on Node: node compression_peer.mjs server|client MODULE [CONNECTIONS]
// The server prints its port, and takes its options for each connection from the query of its URL: ?{"threshold":0}.
// The client exchanges the messages with each of CONNECTIONS, [URL, options, whether large ones too] as JSON.
import { createServer } from "node:http";
import { largeMessages, lengthOf, messages, pieces, same } from "./compression_exchange.mjs";

const [what, module, connections] = process.argv.slice(2);
const { WebSocket, WebSocketServer } = await import(module);

function sendPieces(socket, text) {
  const parts = pieces(text);
  parts.forEach((part, at) => socket.send(part, { fin: at === parts.length - 1 }));
}

if (what === "server") {
  const http = createServer();
  http.on("upgrade", (request, socket, head) => {
    const query = decodeURIComponent(new URL(request.url, "http://localhost").search.slice(1));
    const server = new WebSocketServer({ noServer: true, perMessageDeflate: JSON.parse(query) });
    server.handleUpgrade(request, socket, head, (peer) => {
      peer.on("message", (data, isBinary) => {
        const text = isBinary ? "" : data.toString();
        if (text === "bytes?") peer.send(`${socket.bytesRead} ${socket.bytesWritten}`);
        else if (text.startsWith("!")) sendPieces(peer, text);
        else peer.send(data, { binary: isBinary });
      });
    });
  });
  http.listen(0, "127.0.0.1", () => console.log(http.address().port));
} else {
  for (const [url, perMessageDeflate, withLarge] of JSON.parse(connections)) {
    const socket = new WebSocket(url, { perMessageDeflate });
    const received = [];
    let wake = () => {};
    socket.on("message", (data, isBinary) => {
      received.push(isBinary ? new Uint8Array(data) : data.toString());
      wake();
    });
    await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
    const tcp = socket._socket;
    const list = withLarge ? [...messages, ...largeMessages] : messages;
    for (const message of list) {
      if (typeof message === "string" && message.startsWith("!")) sendPieces(socket, message);
      else socket.send(message);
    }
    const closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve(`${code} ${reason}`));
    });
    const failed = closed.then((why) => Promise.reject(new Error(`closed early: ${why}`)));
    while (received.length < list.length) {
      await Promise.race([failed, new Promise((resolve) => wake = resolve)]);
    }
    failed.catch(() => {});
    list.forEach((message, at) => {
      if (!same(message, received[at])) throw new Error(`${url}: message ${at} came back changed`);
    });
    const plain = lengthOf(list);
    for (const bytes of [tcp.bytesRead, tcp.bytesWritten]) {
      if (bytes > plain * 0.75) throw new Error(`${url}: ${bytes} bytes on the wire for ${plain}`);
    }
    socket.close(4000, "done");
    if (await closed !== "4000 done") throw new Error(`${url}: ended with ${await closed}`);
  }
}
