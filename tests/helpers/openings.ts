/**
 * Opens and closes 10,000 connections with compression, each of which exchanges a message, in a process of its own.
 * Prints what is left of them, as JSON.
 */
import { assert } from "@std/assert";
import { wsConnect, wsServe } from "../../mod.ts";
import { openHandles } from "./deflate.ts";
import { LOCAL } from "./sockets.ts";

/** What `openings.ts` prints. */
export interface Remains {
  /** How many connections there were. */
  served: number;
  /** How many zlib handles were open at most, and at the end. */
  most: number;
  handles: number;
  /** By how much the memory of the process grew with the second half of them, in bytes. */
  grown: number;
}

const COUNT = 10_000, AT_ONCE = 10;

if (import.meta.main) {
  const text = "some text that repeats itself ".repeat(50);
  let served = 0, most = 0;
  await using server = wsServe(async (conn) => {
    served++;
    for await (const message of conn) await conn.send(message);
  }, { ...LOCAL, compression: true });
  const half = async () => {
    const worker = async () => {
      for (let i = 0; i < COUNT / 2 / AT_ONCE; i++) {
        const conn = await wsConnect(server.url, { compression: true });
        await conn.send(text);
        assert(await conn.recv() === text);
        most = Math.max(most, openHandles());
        await conn.close();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return Deno.memoryUsage().rss;
  };
  const before = await half();
  const grown = await half() - before;
  await server.shutdown();
  const remains: Remains = { served, most, handles: openHandles(), grown };
  console.log(JSON.stringify(remains));
}
