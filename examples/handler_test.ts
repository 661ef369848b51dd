/**
 * How to test a handler and a server of one's own, in memory:
 *
 *     deno test examples/handler_test.ts
 *
 * In a clone, where JSR cannot be reached: deno run -A tools/launch.ts test examples/handler_test.ts
 */
import { type WsConn, wsConnect, WsHandshakeError, wsServe } from "jsr:@wsconn/ws@^0.1";
import { MemoryListener, wsPair } from "jsr:@wsconn/ws@^0.1/testing";
import { assertEquals, assertRejects } from "jsr:@std/assert@^1";

/** What is tested: numbers come in, and after each the sum so far goes out. */
async function sum(conn: WsConn): Promise<void> {
  let total = 0;
  for await (const message of conn) await conn.send(`${total += Number(message)}`);
}

Deno.test("sum: each answer is the sum so far", async () => {
  const { client, server } = await wsPair();
  const summed = sum(server);
  const answers = [];
  for (const number of ["1", "2", "39"]) {
    await client.send(number);
    answers.push(await client.recv());
  }
  assertEquals(answers, ["1", "3", "42"]);
  await client.close();
  await summed;
});

Deno.test("server: whoever has no token is sent away", async () => {
  const network = new MemoryListener();
  await using _server = wsServe(sum, {
    listen: () => network,
    connHeaders: (_line, _headers, { url }) =>
      url.searchParams.has("token") ? { state: undefined } : new Response(null, { status: 401 }),
  });
  const connect = (url: string) => wsConnect(url, { conn: network.connect() });
  const error = await assertRejects(() => connect("ws://memory/"), WsHandshakeError);
  assertEquals(error.status, 401);
  await using conn = await connect("ws://memory/?token=x");
  await conn.send("1");
  assertEquals(await conn.recv(), "1");
});
