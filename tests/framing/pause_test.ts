/** zlib's pauses, as `MessageDeflateOptions.pause` makes them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { setImmediate } from "node:timers/promises";
import { deflateRawSync } from "node:zlib";
import { MessageDeflate, type MessageDeflateOptions } from "../../framing/deflate.ts";
import { openHandles } from "../helpers/deflate.ts";
import { bytesOf } from "../helpers/bytes.ts";

const MiB = 1024 * 1024;
/** The last block is not the stream's last, so that others can follow. */
const compressed = (bytes: Uint8Array) => deflateRawSync(bytes, { finishFlush: 2 }).subarray(0, -4);

/** Pauses that end when the test says so. */
class Pauses {
  count = 0;
  readonly #waiting = new Set<() => void>();

  readonly pause = (goOn: () => void) => {
    this.count++;
    this.#waiting.add(goOn);
    return () => void this.#waiting.delete(goOn);
  };

  get waiting(): number {
    return this.#waiting.size;
  }

  end(): void {
    for (const goOn of [...this.#waiting]) {
      this.#waiting.delete(goOn);
      goOn();
    }
  }
}

/** Inflates one message after the other, and ends the pauses without which it does not go on; returns what came. */
async function inflateAll(messages: Uint8Array[], pauses?: Pauses): Promise<number[]> {
  const options: MessageDeflateOptions = pauses === undefined ? {} : { pause: pauses.pause };
  const { inflater } = new MessageDeflate(options);
  const lengths: number[] = [];
  let done = false;
  inflater.events = {
    output(piece) {
      lengths[lengths.length - 1]! += piece.length;
      return true;
    },
    done(error) {
      if (error !== undefined) throw error;
      done = true;
    },
  };
  for (const message of messages) {
    lengths.push(0);
    done = false;
    inflater.push(message, true);
    for (let turns = 0; !done; turns++) {
      assert(turns < 2000, `message ${lengths.length} of ${messages.length} does not come`);
      if (turns % 50 === 49) pauses?.end();
      await setImmediate();
    }
  }
  inflater.destroy();
  assertEquals(pauses?.waiting ?? 0, 0);
  return lengths;
}

Deno.test("whatever comes while zlib pauses, and however little: it goes on", async () => {
  const large = compressed(new Uint8Array(MiB)), empty = Uint8Array.of(0x00);
  const hello = compressed(bytesOf("Hello"));
  for (const empties of [0, 1, 63, 64, 126, 127, 128, 200, 300]) {
    const messages = [large, ...new Array<Uint8Array>(empties).fill(empty), hello, large, hello];
    const expected = [MiB, ...new Array<number>(empties).fill(0), 5, MiB, 5];
    const pauses = new Pauses();
    assertEquals(await inflateAll(messages, pauses), expected);
    assert(pauses.count >= 2);
    assertEquals(await inflateAll(messages), expected); // nor does it need any pause
  }
});

Deno.test("zlib waits for nobody as long as others have their turn anyway", async () => {
  const pauses = new Pauses();
  const { deflater, inflater } = new MessageDeflate({ pause: pauses.pause });
  const message = bytesOf("again and ".repeat(1000)), small = compressed(message);
  const inflate = () =>
    new Promise<void>((resolve) => {
      inflater.events = { output: () => true, done: () => resolve() };
      inflater.push(small, true);
    });
  for (let i = 0; i < 1000; i++) { // 10 MB each way
    if (pauses.waiting > 0) pauses.end(); // in between, where it is not waited for
    await deflater.push(message, true);
    await inflate();
  }
  assert(pauses.count > 50);
  deflater.destroy();
  inflater.destroy();
  assertEquals(pauses.waiting, 0);
});

Deno.test("a pause that the end of the connection finds is called off", async () => {
  const pauses = new Pauses();
  const { deflater, inflater } = new MessageDeflate({ pause: pauses.pause });
  const message = new Uint8Array(3 * MiB);
  const sending = deflater.push(message, true);
  inflater.push(compressed(message), true);
  while (pauses.waiting < 2) await setImmediate();
  deflater.destroy();
  inflater.destroy();
  await assertRejects(() => sending, Error, "The deflater was destroyed");
  assertEquals([pauses.waiting, openHandles()], [0, 0]);
});
