// A peer on Node: node node_peer.mjs ws-server|ws-client|undici-client MODULE [URL] [CA, CERT, KEY files]
// A server prints its port and serves until it is killed; a client exercises the server at URL and exits with 0.
import { readFileSync } from "node:fs";
import { createServer as createPlain } from "node:http";
import { createServer as createSecure } from "node:https";
import { exercise } from "./exercise.mjs";

const [what, module, url, ...files] = process.argv.slice(2);
const [ca, cert, key] = files.map((file) => readFileSync(file));

if (what === "ws-server") {
  const { WebSocketServer } = await import(module);
  const http = ca === undefined
    ? createPlain()
    : createSecure({ cert, key, ca, requestCert: true, rejectUnauthorized: false });
  const server = new WebSocketServer({
    server: http,
    maxPayload: 1 << 25,
    handleProtocols: (offered) => offered.has("v1") ? "v1" : false,
  });
  server.on("connection", (socket, request) => {
    socket.on("message", (data, isBinary) => {
      const command = isBinary ? "" : data.toString();
      if (command === "!header") socket.send(request.headers["x-test"] ?? "");
      else if (command === "!certificate") {
        socket.send(request.socket.getPeerCertificate().subject?.CN ?? "none");
      } else if (command === "!close") socket.close(4002, "server says bye");
      else if (command === "!ping") {
        socket.once("pong", () => socket.send("ponged"));
        socket.ping("are you there");
      } else if (command === "!fragments") {
        for (let i = 0; i < 9; i++) socket.send(`part ${i} é `, { fin: false });
        socket.ping();
        socket.send("end");
      } else socket.send(data, { binary: isBinary });
    });
  });
  http.listen(0, "127.0.0.1", () => console.log(http.address().port));
} else if (what === "ws-client") {
  const { WebSocket } = await import(module);
  const connect = (protocols, headers) => new WebSocket(url, protocols, { headers, ca });
  const extra = async (socket, next) => {
    const ponged = new Promise((resolve) =>
      socket.once("pong", (data) => resolve(data.toString()))
    );
    socket.ping("from the client");
    if (await ponged !== "from the client") throw new Error("wrong pong");
    const reply = next(socket);
    for (const part of ["one ", "tw", "o é"]) socket.send(part, { fin: part === "o é" });
    if (await reply !== "one two é") throw new Error("wrong fragments");
  };
  await exercise(connect, { extra });
} else if (what === "undici-client") {
  const { Agent, WebSocket } = await import(module);
  const dispatcher = new Agent({ connect: { ca } });
  await exercise((protocols, headers) => new WebSocket(url, { protocols, headers, dispatcher }));
  await dispatcher.close();
}
