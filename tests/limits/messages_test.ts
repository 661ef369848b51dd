/** Attacks on an open connection by what is sent on it. */
import { constants, deflateRawSync } from "node:zlib";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { concat } from "@std/bytes";
import { decodeClose, encodeFrame, Opcode } from "../../framing/mod.ts";
import { HeadReader } from "../../handshake/head.ts";
import { readHead } from "../../transport.ts";
import { type Random, randomBytes, seeded } from "../helpers/bytes.ts";
import { certs } from "../helpers/certs.ts";
import { Side } from "../helpers/protocol.ts";
import { RawPeer } from "../helpers/sockets.ts";
import { attack, REQUEST, times, type Victim } from "./attack.ts";

const MiB = 1024 * 1024;
const FIN = 0x80;

/** A masking key that leaves the payload as it is. */
const maskKey = 0;

/** `count` frames in a row that are all the same. */
function repeated(frame: Uint8Array, count: number): Uint8Array {
  const bytes = new Uint8Array(frame.length * count);
  for (let i = 0; i < count; i++) bytes.set(frame, i * frame.length);
  return bytes;
}

/** The header of a frame that declares these 8 bytes of length, as a client sends it. */
function header(opcode: number, length: bigint): Uint8Array {
  const bytes = new Uint8Array(14);
  bytes[0] = FIN | opcode;
  bytes[1] = 0xff;
  new DataView(bytes.buffer).setBigUint64(2, length);
  return bytes;
}

/** The code of the Close that the server answers with, which is to be the last it says. */
async function closeCode(peer: RawPeer): Promise<number> {
  const [first, payload] = (await peer.next())!;
  assertEquals(first, FIN | Opcode.Close);
  assertEquals(await peer.next(), null);
  peer.conn.close();
  return decodeClose(payload).code;
}

function peersOf(victim: Victim, count: number): Promise<RawPeer[]> {
  return Promise.all(Array.from({ length: count }, () => RawPeer.connect(victim.addr)));
}

attack("declared lengths are judged before any payload comes", { atMost: 20 }, async (victim) => {
  const cases: [bigint, number][] = [
    [16n * 1024n ** 2n + 1n, 1009], // one more than maxMessageSize
    [1024n ** 3n, 1009],
    [2n ** 53n - 1n, 1009],
    [2n ** 53n, 1009],
    [2n ** 63n - 1n, 1009],
    [2n ** 63n, 1002], // RFC 6455 §5.2: the most significant bit is 0
    [2n ** 64n - 1n, 1002],
  ];
  for (const [length, expected] of cases) {
    for (const opcode of [Opcode.Text, Opcode.Binary]) {
      for (const peer of await peersOf(victim, 10)) {
        await peer.write(header(opcode, length));
        assertEquals(await closeCode(peer), expected, `declared ${length}`);
      }
    }
  }
  const tooBig = (bytes: number) =>
    `WsProtocolError 1009: Message of ${bytes} bytes or more: at most 16777216 are taken`;
  return {
    [tooBig(16 * MiB + 1)]: 20,
    [tooBig(1024 * MiB)]: 20,
    [tooBig(2 ** 53 - 1)]: 20,
    "WsProtocolError 1009: Payload length is over 2^53 − 1": 40,
    "WsProtocolError 1002: Payload length has its most significant bit set": 40,
  };
});

attack("messages of 16 MiB that are announced but do not come take little room, 300 at a time", {
  atMost: 90,
}, async (victim) => {
  using busy = await RawPeer.connect(victim.addr); // from now on memory is kept for the next messages
  await busy.send(Opcode.Binary, new Uint8Array(MiB));
  await busy.next();
  await busy.send(Opcode.Close);
  await busy.end();
  for (let wave = 0; wave < 3; wave++) {
    const peers = await peersOf(victim, 300);
    for (const peer of peers) {
      await peer.write(header(Opcode.Binary, 16n * 1024n ** 2n));
      await peer.write(new Uint8Array(4096));
    }
    await victim.reports((report) => report.connections >= 301);
    for (const peer of peers) peer.conn.close();
    await victim.reports((report) => report.connections === 1);
  }
  return { "WsConnectionLost: The peer ended the connection without a Close frame": 900 };
});

for (const opcode of [Opcode.Text, Opcode.Binary]) {
  const type = opcode === Opcode.Text ? "text" : "binary";
  attack(`fragments of ${type} that add up to more than the limit get 1009`, {
    atMost: 100,
  }, async (victim) => {
    const peer = await RawPeer.connect(victim.addr);
    const part = new Uint8Array(64 * 1024).fill(0x61);
    await peer.send(opcode, part, { fin: false });
    for (let sent = 1; sent < 256; sent++) {
      await peer.send(Opcode.Continuation, part, { fin: false });
    }
    // 16 MiB have come: the next byte is one too many, and what follows is ignored
    await peer.write(new Uint8Array([Opcode.Continuation, 0x81, 0, 0, 0, 0]));
    const code = closeCode(peer);
    for (let sent = 0; sent < 100; sent++) {
      await peer.send(Opcode.Continuation, part, { fin: false }).catch(() => {});
    }
    assertEquals(await code, 1009);
    return {
      "WsProtocolError 1009: Message of 16777217 bytes or more: at most 16777216 are taken": 1,
    };
  });
}

attack("2 million empty fragments are one message, and a Ping between them is answered", {
  atMost: 15,
}, async (victim) => {
  const peer = await RawPeer.connect(victim.addr);
  await peer.send(Opcode.Text, "be", { fin: false });
  const empty = encodeFrame(Opcode.Continuation, new Uint8Array(), { fin: false, maskKey });
  const many = repeated(empty, 100_000);
  for (let round = 0; round < 20; round++) {
    await peer.write(many);
    await peer.send(Opcode.Ping, `${round}`);
    assertEquals(await peer.next(), [FIN | Opcode.Pong, new TextEncoder().encode(`${round}`)]);
  }
  await peer.send(Opcode.Continuation, "hind");
  assertEquals(await peer.next(), [FIN | Opcode.Text, new TextEncoder().encode("behind")]);
  await peer.send(Opcode.Close);
  assertEquals(await closeCode(peer), 1005);
  return {};
});

attack("2 million fragments of 1 byte are one message, and one more is too many", {
  atMost: 50,
  maxMessageSize: 2_000_000,
}, async (victim) => {
  const peer = await RawPeer.connect(victim.addr);
  const one = encodeFrame(Opcode.Continuation, Uint8Array.of(0x61), { fin: false, maskKey });
  const many = repeated(one, 1_999_999);
  const begin = () => peer.send(Opcode.Binary, "a", { fin: false });
  await begin();
  await peer.write(many);
  await peer.send(Opcode.Continuation);
  const [first, payload] = (await peer.next())!;
  assertEquals([first, payload.length], [FIN | Opcode.Binary, 2_000_000]);
  assert(payload.every((byte) => byte === 0x61));
  await begin();
  await peer.write(many);
  await peer.write(one);
  assertEquals(await closeCode(peer), 1009);
  return {
    "WsProtocolError 1009: Message of 2000001 bytes or more: at most 2000000 are taken": 1,
  };
});

attack("a message that comes byte by byte is a message", { atMost: 15 }, async (victim) => {
  const peers = await peersOf(victim, 4);
  await Promise.all(peers.map(async (peer, at) => {
    const payload = randomBytes(seeded(at), 3000);
    for (const byte of peer.frame(Opcode.Binary, payload)) await peer.write(Uint8Array.of(byte));
    assertEquals(await peer.next(), [FIN | Opcode.Binary, payload]);
    await peer.send(Opcode.Close);
    assertEquals(await closeCode(peer), 1005);
  }));
  return {};
});

attack("a message that would inflate to 1 GiB is inflated up to the limit only", {
  atMost: 200,
  compression: true,
}, async (victim) => {
  const finishFlush = constants.Z_SYNC_FLUSH;
  const part = deflateRawSync(new Uint8Array(64 * MiB), { finishFlush });
  for (let round = 0; round < 5; round++) {
    const peer = await RawPeer.connect(victim.addr, [
      "Sec-WebSocket-Extensions: permessage-deflate",
    ]);
    await peer.send(Opcode.Binary, repeated(part, 16).subarray(0, -4), { rsv1: true });
    assertEquals(await closeCode(peer), 1009);
  }
  const { errors } = await victim.report();
  for (const error of Object.keys(errors)) {
    assertMatch(
      error,
      /^WsProtocolError 1009: Message of 167\d{5} bytes or more: at most 16777216 /,
    );
  }
});

for (const tls of [false, true]) {
  const over = tls ? "over TLS" : "over plain TCP";
  attack(`random frames ${over} are closed with the code that the protocol alone gives`, {
    atMost: 40,
    tls,
  }, async (victim) => {
    const random = seeded(11);
    await times(200, async (index) => {
      const garbage = randomFrames(random);
      const alone = Side.rfc6455("server", { maxMessageSize: 16 * MiB });
      alone.receive(garbage);
      const { error, received } = alone.protocol;
      const expected = error?.closeCode ?? received?.code;
      assertEquals(await closedBy(victim, tls, garbage), expected, `peer ${index}`);
    });
    const { errors } = await victim.reports((report) => report.connections === 1);
    for (const error of Object.keys(errors)) {
      assertMatch(error, /^(WsProtocolError 100[279]|WsConnectionLost|WsConnectionClosed): /);
    }
  });
}

/** Bytes that have something of frames: headers that may be in order, with random payloads, or nothing but noise. */
function randomFrames(random: Random): Uint8Array {
  const pieces = [];
  for (let count = 1 + random(8); count > 0; count--) {
    const payload = randomBytes(random, random(4) === 0 ? random(3000) : random(126));
    const opcode = [0, 1, 2, 2, 2, 8, 9, 10, 3, 15][random(10)]!;
    const frame = encodeFrame(opcode, payload, { fin: random(3) > 0, maskKey: random(2 ** 31) });
    if (random(10) === 0) frame[random(4)]! ^= 1 << random(8);
    pieces.push(frame);
  }
  if (random(10) === 0) pieces.unshift(randomBytes(random, 1 + random(200)));
  return concat(pieces);
}

/** The code of the Close that comes back for `bytes` on a connection of their own; `undefined` if none does. */
async function closedBy(
  victim: Victim,
  tls: boolean,
  bytes: Uint8Array,
): Promise<number | undefined> {
  const conn = tls
    ? await Deno.connectTls({ ...victim.addr, caCerts: [certs.ca] })
    : await victim.connect();
  await conn.write(concat([REQUEST, bytes]));
  const reader = new HeadReader();
  await readHead(conn, reader);
  await conn.closeWrite();
  const client = Side.rfc6455("client");
  client.receive(reader.rest);
  for await (const chunk of conn.readable) client.receive(chunk);
  assertEquals(client.protocol.error, undefined);
  return client.protocol.received?.code;
}
