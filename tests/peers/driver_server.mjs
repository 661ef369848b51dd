// An echo server of the drafts of 2010: deno run -A driver_server.mjs; prints its port.
import { createServer } from "node:http";
import websocket from "npm:websocket-driver@0.7.4"; // pinned, for the tests only: it still speaks both drafts

const server = createServer();
server.on("upgrade", (request, socket, head) => {
  const driver = websocket.http(request, { protocols: [] });
  driver.io.write(head);
  socket.pipe(driver.io).pipe(socket);
  driver.messages.on("data", (message) => driver.messages.write(message));
  socket.on("error", () => {});
  driver.start();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
