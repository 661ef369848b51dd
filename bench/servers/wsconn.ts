import { wsServe } from "@wsconn/ws";

wsServe(async (conn) => {
  for (let message; (message = await conn.recv()) !== null;) await conn.send(message);
}, {
  hostname: "127.0.0.1",
  port: 0,
  maxMessageSize: 1 << 25,
  onListen: (addr) => console.log((addr as Deno.NetAddr).port),
});
