/** 4 GiB through one connection, in constant memory. `TRANSFER_VERBOSE=1` prints the figures. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { TextLineStream } from "@std/streams";
import type { TransferReport } from "./transfer.ts";

const MiB = 1024 * 1024;
const SIZE = 4096 * MiB;

/** How long one end may take, in ms; it takes a tenth of that. */
const DEADLINE = 60_000;

/** Starts one end, whose lines can then be read; `next` throws if there is none. */
function start(...args: string[]) {
  const path = new URL("transfer.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", path, ...args],
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  const reader = lines.getReader();
  const late = setTimeout(() => child.kill("SIGKILL"), DEADLINE);
  return {
    async next(): Promise<string> {
      const { value, done } = await reader.read();
      assert(!done, `transfer.ts ${args.join(" ")} has ended`);
      return value;
    },
    async [Symbol.asyncDispose]() {
      await reader.cancel();
      const { code } = await child.status;
      clearTimeout(late);
      assertEquals(code, 0);
    },
  };
}

for (const [server, client] of [["receive", "send"], ["send", "receive"]] as const) {
  const way = server === "receive" ? "to the server" : "to the client";

  Deno.test(`4 GiB ${way}: every byte arrives, and neither process holds 150 MiB`, async () => {
    await using serving = start(server, `${SIZE}`);
    await using dialing = start(client, `${SIZE}`, await serving.next());
    for (const [name, end] of Object.entries({ [server]: serving, [client]: dialing })) {
      const { bytes, counted, ms, peak }: TransferReport = JSON.parse(await end.next());
      if (Deno.env.has("TRANSFER_VERBOSE")) {
        const speed = Math.round(bytes / 1e6 / (ms / 1000));
        console.log(`${way}, ${name}: ${Math.round(peak / MiB)} MiB at most, ${speed} MB/s`);
      }
      assertEquals(bytes, SIZE);
      assertEquals(counted, SIZE);
      assertLess(peak, 150 * MiB);
    }
  });
}
