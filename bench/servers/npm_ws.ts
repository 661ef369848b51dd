// @ts-types="npm:@types/ws@8.18.1"
import { WebSocketServer } from "npm:ws@8.23.0";

const options = { host: "127.0.0.1", port: 0, perMessageDeflate: false, maxPayload: 1 << 25 };
const server = new WebSocketServer(options, () => {
  console.log((server.address() as { port: number }).port);
});
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
