/** `for await` over a connection. */
import { assertEquals, assertRejects } from "@std/assert";
import { Opcode } from "../framing/mod.ts";
import { type WsMessage, WsProtocolError } from "../mod.ts";
import { pair, RawPeer } from "./helpers/sockets.ts";

Deno.test("leaving an iteration leaves the connection open", async () => {
  const { server, client } = await pair();
  for (let i = 0; i < 3; i++) await client.send(`${i}`);
  for await (const message of server) if (message === "0") break;
  assertEquals(await server.recv(), "1");
  for await (const message of server) {
    assertEquals(message, "2");
    break;
  }
  await Promise.all([client.close(), server.close()]);
});

Deno.test("iterators and recv take turns; an iterator that was left has no more; each ends with the connection", async () => {
  const { server, client } = await pair();
  const [left, other] = [server[Symbol.asyncIterator](), server[Symbol.asyncIterator]()];
  const asked = [left.next(), server.recv(), other.next()];
  for (const text of ["a", "b", "c", "d"]) await client.send(text);
  assertEquals(await Promise.all(asked), [
    { value: "a", done: false },
    "b",
    { value: "c", done: false },
  ]);
  const over = { value: undefined, done: true } as const;
  assertEquals(await left.return?.(), over);
  assertEquals(await left.next(), over);
  assertEquals(await other.next(), { value: "d", done: false });

  const waiting = [other.next(), server.recv()];
  await client.close();
  assertEquals(await Promise.all(waiting), [over, null]);
  assertEquals(await other.next(), over);
  await Promise.all([client.close(), server.close()]);
});

Deno.test("an iteration throws as recv does, behind the messages before", async () => {
  const { peer, conn } = await RawPeer.against("client");
  await peer.write(peer.frame(Opcode.Text, "fine"));
  await peer.write(peer.frame(3, "x"));
  const received: WsMessage[] = [];
  await assertRejects(
    async () => {
      for await (const message of conn) received.push(message);
    },
    WsProtocolError,
    "Opcode 3 is reserved",
  );
  assertEquals(received, ["fine"]);
  peer.conn.close();
  await conn.finished;
});
