/** examples/broadcast.ts and examples/hub.ts as they stand, with just the permissions that their comments name. */
import { assertEquals } from "@std/assert";
import { wsConnect } from "../../mod.ts";
import { example, Program } from "../helpers/program.ts";

const start = (name: string) => Program.deno(["run", "--allow-net", example(name), "--port", "0"]);

Deno.test("examples/broadcast.ts: everybody gets the same ticks, as many as it says", async () => {
  await using ticker = start("broadcast.ts");
  const [url] = await ticker.line(/ws:.*/);
  const ann = await wsConnect(url);
  const bob = await wsConnect(url);
  const tick = await bob.recv();
  assertEquals(Object.keys(JSON.parse(tick as string)), ["time", "price"]);
  while (await ann.recv() !== tick); // she may have got some before
  await ticker.line(/^Sent to 2, skipped 0$/);
  await Promise.all([ann.close(), bob.close()]);
});

Deno.test("examples/hub.ts: what is said in a room stays in the room, and Ctrl-C tells all", async () => {
  await using rooms = start("hub.ts");
  const [url] = await rooms.line(/ws:.*/);
  const enter = async (room: string) => {
    const conn = await wsConnect(new URL(room, url));
    return [conn, await conn.recv()] as const;
  };
  const [ann, annIs] = await enter("kitchen");
  const [bob, bobIs] = await enter("kitchen");
  const [eve, eveIs] = await enter("garden");
  assertEquals([annIs, bobIs, eveIs], [
    "In /kitchen: 1",
    "In /kitchen: 2",
    "In /garden: 1",
  ]);
  await ann.send("Dinner is ready");
  assertEquals(await bob.recv(), "Dinner is ready");
  await rooms.line(/^\/kitchen: to 1 others$/);
  await eve.send("Is there anybody?");
  await rooms.line(/^\/garden: to 0 others$/);
  rooms.signal("SIGINT");
  for (const conn of [ann, bob, eve]) {
    assertEquals(await conn.recv(), null);
    assertEquals((await conn.finished).code, 1001);
  }
  assertEquals((await rooms.status).code, 0);
});
