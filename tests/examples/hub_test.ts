/** examples/broadcast.ts and examples/hub.ts as they stand, with just the permissions that their comments name. */
import { assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { wsConnect } from "../../mod.ts";

/** Starts an example on a free port, and gives the URL that it prints first, and then its lines. */
async function start(name: string) {
  const path = new URL(`../../examples/${name}`, import.meta.url).pathname;
  const args = ["run", "--allow-net", path, "--port", "0"];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const text = child.stdout.pipeThrough(new TextDecoderStream());
  const reader = text.pipeThrough(new TextLineStream()).getReader();
  const line = async () => (await reader.read()).value ?? "";
  const [url = ""] = (await line()).match(/ws:.*/) ?? [];
  const end = async (signal: Deno.Signal) => {
    child.kill(signal);
    const { code } = await child.status;
    await reader.cancel();
    return code;
  };
  return { url, line, end };
}

Deno.test("examples/broadcast.ts: everybody gets the same ticks, as many as it says", async () => {
  const { url, line, end } = await start("broadcast.ts");
  const ann = await wsConnect(url);
  const bob = await wsConnect(url);
  const tick = await bob.recv();
  assertEquals(Object.keys(JSON.parse(tick as string)), ["time", "price"]);
  while (await ann.recv() !== tick); // she may have got some before
  while (await line() !== "Sent to 2, skipped 0");
  await Promise.all([ann.close(), bob.close()]);
  await end("SIGKILL");
});

Deno.test("examples/hub.ts: what is said in a room stays in the room, and Ctrl-C tells all", async () => {
  const { url, line, end } = await start("hub.ts");
  const enter = async (room: string) => {
    const conn = await wsConnect(new URL(room, url));
    return [conn, await conn.recv()] as const;
  };
  const [ann, annIs] = await enter("kitchen");
  const [bob, bobIs] = await enter("kitchen");
  const [eve, eveIs] = await enter("garden");
  assertEquals([annIs, bobIs, eveIs], [
    "There are 1 in /kitchen",
    "There are 2 in /kitchen",
    "There are 1 in /garden",
  ]);
  await ann.send("Dinner is ready");
  assertEquals(await bob.recv(), "Dinner is ready");
  assertEquals(await line(), "/kitchen: to 1 others");
  await eve.send("Is there anybody?");
  assertEquals(await line(), "/garden: to 0 others");
  const ended = end("SIGINT");
  for (const conn of [ann, bob, eve]) {
    assertEquals(await conn.recv(), null);
    assertEquals((await conn.finished).code, 1001);
  }
  assertEquals(await ended, 0);
});
