/** A message that many protocols send: who shares a frame with whom. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { MessageDeflate, type MessageDeflateOptions } from "../../framing/deflate.ts";
import {
  HixieProtocol,
  type Protocol,
  type ProtocolEvents,
  Rfc6455Protocol,
  type Role,
  SharedMessage,
} from "../../framing/mod.ts";
import { hex } from "../helpers/bytes.ts";

const events: ProtocolEvents = { message: () => {}, pong: () => {} };
const limits = { maxMessageSize: 1024 };

function rfc6455(role: Role = "server", deflate?: MessageDeflateOptions): Protocol {
  return new Rfc6455Protocol(role, events, limits, deflate && new MessageDeflate(deflate));
}

function hixie(version: "hixie-76" | "hixie-75", framing: "old" | "new"): Protocol {
  return new HixieProtocol(version, framing, events, limits);
}

const alone = { outgoing: { noContextTakeover: true } };

Deno.test("frames are the same object for all that send the same bytes, and for nobody else", () => {
  /** For each protocol, what is shared: 0 nothing, the same number the same frame. */
  const table: [Protocol, short: number, long: number][] = [
    [rfc6455(), 1, 1],
    [rfc6455(), 1, 1],
    [rfc6455("client"), 0, 0],
    [rfc6455("client", alone), 0, 0],
    [rfc6455("server", {}), 1, 0],
    [rfc6455("server", alone), 1, 2],
    [rfc6455("server", { ...alone, level: -1, memLevel: 8 }), 1, 2],
    [rfc6455("server", { outgoing: { noContextTakeover: true, windowBits: 15 } }), 1, 2],
    [rfc6455("server", { outgoing: { noContextTakeover: true, windowBits: 9 } }), 1, 3],
    [rfc6455("server", { ...alone, level: 9 }), 1, 4],
    [rfc6455("server", { ...alone, memLevel: 1 }), 1, 5],
    [rfc6455("server", { ...alone, incoming: { noContextTakeover: true, windowBits: 9 } }), 1, 2],
    [rfc6455("server", { ...alone, threshold: 1e6 }), 1, 1],
    [hixie("hixie-76", "old"), 6, 6],
    [hixie("hixie-75", "old"), 6, 6],
    [hixie("hixie-76", "new"), 7, 7],
  ];
  for (
    const [which, message] of [new SharedMessage("x"), new SharedMessage("x".repeat(5000))]
      .entries()
  ) {
    const frames = new Map<number, unknown>([[0, undefined]]);
    for (const [at, [protocol, ...kinds]] of table.entries()) {
      const frame = protocol.share(message);
      const kind = kinds[which]!;
      if (!frames.has(kind)) {
        assert(![...frames.values()].includes(frame), `row ${at} shares with another kind`);
        frames.set(kind, frame);
      }
      assertStrictEquals(frame, frames.get(kind), `row ${at}`);
    }
  }
});

Deno.test("sendShared appends the frame, in the state open only", () => {
  const message = new SharedMessage("Hé");
  for (
    const [protocol, golden] of [
      [rfc6455(), "810348c3a9"],
      [rfc6455("server", { ...alone, threshold: 0 }), "c105f238bc1200"],
      [hixie("hixie-76", "old"), "0048c3a9ff"],
      [hixie("hixie-76", "new"), "ff000000000000000348c3a9"],
    ] as const
  ) {
    const frame = protocol.share(message) as Uint8Array;
    protocol.sendShared(message, frame);
    assertEquals(hex(protocol.output.next()!), golden);
    protocol.release("output");
    const why = 'Cannot send a message: the protocol\'s state is "closed"';
    assertThrows(() => protocol.sendShared(message, frame), TypeError, why);
  }
});

Deno.test("a long message is compressed in parts, once, of a copy of its bytes", async () => {
  const bytes = new Uint8Array(1_000_000).fill(7);
  const message = new SharedMessage(bytes);
  const [one, other] = [rfc6455("server", alone), rfc6455("server", alone)];
  const frame = one.share(message);
  assertInstanceOf(frame, Promise);
  assertStrictEquals(other.share(message), frame);
  bytes.fill(8);
  one.release("output"); // others wait for it
  const golden = await rfc6455("server", alone).share(
    new SharedMessage(new Uint8Array(1_000_000).fill(7)),
  );
  assertEquals(await frame, golden);
});

Deno.test("a draft shares no binary", () => {
  const message = new SharedMessage(new Uint8Array(1));
  assertThrows(() => hixie("hixie-76", "old").share(message), TypeError, "carries text only");
});

Deno.test("what is kept for later is a copy, one for all", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const message = new SharedMessage(bytes);
  const { kept } = message;
  bytes.fill(0);
  assertEquals(kept, Uint8Array.of(1, 2, 3));
  assertStrictEquals(message.kept, kept);
  assertStrictEquals(new SharedMessage("text").kept, "text");
});
