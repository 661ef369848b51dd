/**
 * Rooms: what somebody says in a room, which is the path of the URL, everybody else in it gets.
 *
 *     deno run --allow-net examples/hub.ts [--port 8080]
 */
import { Hub, wsServe } from "jsr:@wsconn/ws@^0.1";

const flag = Deno.args.indexOf("--port");
const port = flag === -1 ? 8080 : Number(Deno.args[flag + 1]);

const hub = new Hub({ slow: "close" }); // who has missed something had better come again

const server = wsServe(async (conn) => {
  const room = conn.url.pathname;
  hub.subscribe(conn, room);
  await conn.send(`In ${room}: ${hub.subscribers(room)}`);
  for await (const message of conn) {
    const { sent } = hub.publish(room, message, { except: conn });
    console.log(`${room}: to ${sent} others`);
  }
}, {
  port,
  onListen: (addr) => console.log(`Rooms on ws://localhost:${(addr as Deno.NetAddr).port}/`),
});

Deno.addSignalListener("SIGINT", async () => {
  await server.shutdown(); // every client is told 1001
  Deno.exit();
});
