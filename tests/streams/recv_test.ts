/** Messages received as streams, `conn.recvStream()`, in both roles: what is delivered, and when. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { concat } from "@std/bytes";
import { toText } from "@std/streams";
import { toArrayBuffer } from "@std/streams/to-array-buffer";
import { toBytes } from "@std/streams/unstable-to-bytes";
import { WsMessageStream, WsProtocolError } from "../../mod.ts";
import { encodeFrame, Opcode } from "../../framing/mod.ts";
import { LARGE_BUFFER } from "../../framing/pool.ts";
import { bytesOf, seeded } from "../helpers/bytes.ts";
import { Side } from "../helpers/protocol.ts";
import {
  against,
  closeCode,
  ends,
  fragments,
  hangUp,
  pattern,
  pause,
  ROLES,
  take,
} from "./helpers.ts";

const MiB = 1024 * 1024;
const CLEAN = { code: 1000, reason: "", wasClean: true };
const LOST = { code: 1006, reason: "", wasClean: false };

/** The first byte of a frame's payload, where the peer's frames have no mask or a short one. */
const headerSize = (frame: Uint8Array, payload: number) => frame.length - payload;

for (const role of ROLES) {
  Deno.test(`${role}: bytes are delivered before their frame is complete`, async () => {
    const { peer, conn } = await against(role);
    const payload = pattern(MiB);
    const frame = peer.frame(Opcode.Binary, payload);
    const cut = headerSize(frame, MiB) + 10;
    await peer.write(frame.subarray(0, cut));
    const stream = (await conn.recvStream())!;
    assertInstanceOf(stream, WsMessageStream);
    assertEquals(stream.type, "binary");
    const reader = stream.getReader();
    assertEquals(await take(reader, 10), payload.subarray(0, 10));
    const rest = reader.read();
    await peer.write(frame.subarray(cut, cut + 1));
    assertEquals((await rest).value, payload.subarray(10, 11));
    reader.releaseLock();
    const [whole] = await Promise.all([toBytes(stream), peer.write(frame.subarray(cut + 1))]);
    assertEquals(whole, payload.subarray(11));
    assertEquals(await hangUp(conn, peer), CLEAN);
  });

  Deno.test(`${role}: a frame that declares 2^53 - 1 bytes, maxMessageSize or not`, async () => {
    const { peer, conn } = await against(role, { maxMessageSize: 100 });
    const header = Uint8Array.of(
      0x82,
      role === "server" ? 0xff : 0x7f,
      0,
      0x1f,
      ...Array(6).fill(255),
    );
    const mask = new Uint8Array(role === "server" ? 4 : 0); // a key that changes nothing
    await peer.write(concat([header, mask, pattern(200_000)]));
    const reader = (await conn.recvStream())!.getReader();
    assertEquals(await take(reader, 200_000), pattern(200_000));
    await reader.cancel();
    // the peer cannot answer within its frame
    assertEquals([conn.close(), await closeCode(peer)][1], 1000);
    await peer.conn.closeWrite();
    assertEquals(await conn.finished, LOST);
    peer[Symbol.dispose]();
  });

  Deno.test(`${role}: fragments are delivered before the message is complete, with control frames between`, async () => {
    const { peer, conn } = await against(role);
    const received = conn.recvStream();
    const next = conn.recv();
    await peer.send(Opcode.Text, Uint8Array.of(0x61, 0xc3), { fin: false });
    const stream = (await received)!;
    assertEquals(stream.type, "text");
    const reader = stream.getReader();
    assertEquals(await take(reader, 2), Uint8Array.of(0x61, 0xc3));
    await peer.send(Opcode.Ping, "between");
    assertEquals(await peer.next(), [0x8a, bytesOf("between")]);
    await peer.send(Opcode.Continuation, "", { fin: false });
    await peer.send(Opcode.Continuation, Uint8Array.of(0xa9), { fin: false });
    assertEquals(await take(reader, 1), Uint8Array.of(0xa9));
    await peer.send(Opcode.Continuation, "");
    assertEquals((await reader.read()).done, true);
    await peer.send(Opcode.Text, "next");
    assertEquals(await next, "next");
    assertEquals(await hangUp(conn, peer), CLEAN);
  });

  for (const compression of [false, true]) {
    const compressed = compression;
    const how = compression ? ", compressed" : "";

    Deno.test(`${role}: asked for before, while and after it arrives${how}, a message comes whole`, async () => {
      const { peer, conn } = await against(role, { compression });
      for (const size of [0, 1, 125, 1000, 65_536, 300_000]) {
        for (const count of [1, 3]) {
          for (const when of ["before", "while", "after"]) {
            const isText = count === 3;
            const payload = isText ? bytesOf("é".repeat(size >> 1)) : pattern(size);
            const opcode = isText ? Opcode.Text : Opcode.Binary;
            const bytes = concat(fragments(peer, opcode, payload, { count, compressed }));
            const cut = when === "before" ? 0 : when === "while" ? bytes.length >> 1 : bytes.length;
            const what = `${size} bytes in ${count} frames, asked for ${when} they arrive`;
            const begun = peer.write(bytes.subarray(0, cut));
            if (when === "while") await pause(5); // what has arrived is gathered, and a read is under way
            else if (when === "after") await conn.ready();
            const received = conn.recvStream();
            await begun;
            const ended = peer.write(bytes.subarray(cut));
            const stream = await received;
            assertEquals(stream?.type, isText ? "text" : "binary", what);
            // not assertEquals, which takes long over so many bytes
            assertEquals(await toText(stream!), new TextDecoder().decode(payload), what);
            await ended;
          }
        }
      }
      assertEquals(await hangUp(conn, peer), CLEAN);
    });

    Deno.test(`${role}: a text that is not UTF-8${how} ends the stream and the connection with 1007`, async () => {
      const invalid: [string, number[], number[]][] = [
        ["a byte that is never part of it", [0x61, 0x62], [0xff, 0x63]],
        ["a character cut by the end", [0x61, 0x62], [0xe2, 0x82]],
        ["a surrogate, cut in two", [0x61, 0xed], [0xa0, 0x80]],
      ];
      for (const [what, before, after] of invalid) {
        const { peer, conn } = await against(role, { compression });
        const payload = Uint8Array.from([...before, ...after]);
        // a compressed message is of one block here, so that only the end tells
        const frames = compression
          ? fragments(peer, Opcode.Text, payload, { compressed })
          : fragments(peer, Opcode.Text, payload, { count: 2 });
        const received = conn.recvStream();
        await peer.write(frames[0]!);
        const stream = await received.catch((error) => error); // or it is known at once
        const collected = assertRejects(async () => {
          if (!(stream instanceof WsMessageStream)) throw stream;
          const reader = stream.getReader();
          if (!compression) {
            assertEquals(await take(reader, before.length), Uint8Array.from(before), what);
            await peer.write(frames[1]!);
          }
          while (!(await reader.read()).done);
        }, WsProtocolError);
        assertEquals((await collected).closeCode, 1007, what);
        await assertRejects(() => conn.recv(), WsProtocolError);
        await assertRejects(() => conn.recvStream(), WsProtocolError);
        assertEquals(await closeCode(peer), 1007);
        peer.conn.close();
        assertEquals(await conn.finished, LOST);
      }
    });
  }

  Deno.test(`${role}: @std/streams collects streams; so do pipes and iteration`, async () => {
    const [here, there] = await ends(role);
    const text = "Grüße, 世界 👋";
    const send = () => there.sendStream(ReadableStream.from([text]), { type: "text" });
    const next = async () => (await Promise.all([here.recvStream(), send()]))[0]!;
    assertEquals(await toText(await next()), text);
    assertEquals(await toBytes(await next()), bytesOf(text));
    assertEquals(new Uint8Array(await toArrayBuffer(await next())), bytesOf(text));
    assertEquals(await new Response(await next()).text(), text);
    const decoded = (await next()).pipeThrough(
      new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
    );
    assertEquals((await Array.fromAsync(decoded)).join(""), text);
    assertEquals(concat(await Array.fromAsync(await next())), bytesOf(text));
    await here.close();
    assertEquals(await there.finished, CLEAN);
  });
}

for (const role of ROLES) {
  Deno.test(`${role}: what has gathered, and what a read under way brings, goes to the sink that asks for it`, () => {
    const payload = pattern(200_000);
    const maskKey = role === "server" ? 0x12345678 : undefined;
    const frame = encodeFrame(Opcode.Binary, payload, { maskKey });
    for (const cut of [0, 1, 20, 1000, 40_000, 190_000, frame.length]) {
      const side = Side.rfc6455(role);
      side.receive(frame.subarray(0, cut));
      const space = side.protocol.space();
      const isDirect = cut >= 20 && frame.length - cut >= 32 * 1024; // into the message
      assertEquals(![1024, LARGE_BUFFER].includes(space.buffer.byteLength), isDirect);
      const pieces: Uint8Array[] = [];
      let said = "";
      side.protocol.receiveInto({
        maxMessageSize: Infinity,
        begin: (type) => said += type,
        push: (bytes) => pieces.push(bytes.slice()) > 0,
        end: () => said += " ended",
      });
      const part = frame.subarray(cut, cut + space.length);
      space.set(part);
      side.protocol.receive(part.length);
      side.receive(frame.subarray(cut + part.length));
      if (cut === frame.length) {
        assertEquals([side.messages.length, said], [1, ""], "that one was whole already");
        side.receive(frame);
      }
      assertEquals(said, "binary ended");
      assertEquals(concat(pieces), payload);
    }
  });
}

// Which message a call gets

for (const role of ROLES) {
  Deno.test(`${role}: recvStream, recv, iteration and ready mix freely: each gets what its turn is`, async () => {
    for (const seed of [1, 2, 3, 4]) {
      const random = seeded(seed);
      const [here, there] = await ends(role, { compression: seed % 2 === 0 });
      const messages = Array.from({ length: 60 }, (_, index) => {
        const text = `${index}:` + "x".repeat([0, 10, 1000, 100_000, 300_000][random(5)]!);
        return random(2) === 0 ? text : bytesOf(text);
      });
      const send = async () => {
        for (const message of messages) {
          if (random(2) === 0) await there.send(message);
          else {
            const type = typeof message === "string" ? "text" : "binary";
            const half = message.length >> 1;
            const parts = [message.slice(0, half), message.slice(half)];
            await there.sendStream(ReadableStream.from(parts), { type });
          }
        }
      };
      const asText = (message: unknown) =>
        message instanceof Uint8Array ? new TextDecoder().decode(message) : message;
      const ask = (): Promise<unknown> => {
        const kind = random(3);
        if (random(4) === 0) void here.ready();
        if (kind === 0) return here.recv().then(asText);
        if (kind === 1) {
          return here[Symbol.asyncIterator]().next().then(({ value }) => asText(value));
        }
        return here.recvStream().then((stream) => toText(stream!));
      };
      // some calls before anything is sent, some while the messages come, the last when some have gathered
      const received = Array.from({ length: 20 }, ask);
      const sending = send();
      for (let i = 0; i < 20; i++) {
        received.push(ask());
        if (random(3) === 0) await received[random(received.length)];
      }
      await here.ready();
      received.push(...Array.from({ length: 20 }, ask));
      const got = await Promise.all(received);
      await sending;
      for (const [index, message] of messages.entries()) {
        assert(got[index] === asText(message), `seed ${seed}, message ${index}`);
      }
      await here.close();
      assertEquals(await there.finished, CLEAN);
    }
  });

  Deno.test(`${role}: what is asked for after a stream comes when that has been read, or cancelled`, async () => {
    const { peer, conn } = await against(role);
    const [one, two, three] = [conn.recvStream(), conn.recvStream(), conn.recv()];
    await peer.send(Opcode.Text, "first", { fin: false });
    const first = (await one)!;
    let others = "";
    void two.then(() => others += "two");
    void three.then(() => others += "three");
    await peer.send(Opcode.Continuation, ", and its end");
    assertEquals(await toText(first), "first, and its end");
    assertEquals(others, "");
    await peer.send(Opcode.Binary, "second", { fin: false });
    const second = (await two)!;
    assertEquals([second.type, others], ["binary", "two"]);
    await second.cancel();
    await peer.send(Opcode.Continuation, "the rest that nobody wants");
    await peer.send(Opcode.Text, "third");
    assertEquals(await three, "third");
    assertEquals(await hangUp(conn, peer), CLEAN);
  });

  Deno.test(`${role}: readable can be locked while a stream is read, and gets what comes after it`, async () => {
    const { peer, conn } = await against(role);
    await peer.send(Opcode.Text, "stream", { fin: false });
    const stream = (await conn.recvStream())!;
    const reader = conn.readable.getReader();
    await assertRejects(() => conn.recvStream(), TypeError);
    const next = reader.read();
    await peer.send(Opcode.Continuation, "ed");
    await peer.send(Opcode.Text, "next");
    assertEquals(await toText(stream), "streamed");
    assertEquals((await next).value, "next");
    reader.releaseLock();
    await peer.send(Opcode.Text, "again");
    assertEquals(await toText((await conn.recvStream())!), "again");
    const waiting = conn.recvStream();
    assertThrows(() => conn.readable.getReader(), TypeError);
    assertEquals(await hangUp(conn, peer), CLEAN);
    assertEquals(await waiting, null);
  });
}
