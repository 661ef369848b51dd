/** Attacks by peers that do not read. */
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { encodeFrame, Opcode } from "../../framing/mod.ts";
import { RawPeer } from "../helpers/sockets.ts";
import { attack, type Report, type Victim } from "./attack.ts";

const KiB = 1024, MiB = 1024 * 1024;
const FIN = 0x80;

/** Waits until an amount has not changed for a while: whoever makes it grow is held up. */
async function atRest(victim: Victim, amount: (report: Report) => number): Promise<number> {
  let before = -1, same = 0;
  await victim.reports((report) => {
    same = amount(report) === before ? same + 1 : 0;
    before = amount(report);
    return before > 0 && same === 10;
  });
  return before;
}

attack("a send waits while its peer does not read, and goes on when it does", {
  atMost: 25,
}, async (victim) => {
  const peers = await Promise.all(
    Array.from({ length: 20 }, () => RawPeer.connect(victim.addr, ["X-Pour: yes"])),
  );
  const poured = await atRest(victim, (report) => report.poured);
  // what the buffers of the system hold, and one message more
  assertLess(poured * 64 * KiB / peers.length, 24 * MiB, "sent to a peer that does not read");
  const [reader] = peers as [RawPeer];
  for (let read = 0; read < 1000; read++) {
    const [first, payload] = (await reader.next())!;
    assertEquals([first, payload.length], [FIN | Opcode.Binary, 64 * KiB]);
  }
  const more = (await victim.report()).poured - poured;
  assertGreater(more, 1000 - 24 * MiB / (64 * KiB), "messages sent to the one that reads at last");
  for (const peer of peers) peer.conn.close();
});

attack("an echo of 64 MiB is held up while its peer does not read, and is whole when it does", {
  atMost: 60,
}, async (victim) => {
  const peer = await RawPeer.connect(victim.addr);
  let sent = 0;
  const sending = (async () => {
    const payload = new Uint8Array(64 * KiB);
    for (; sent < 1024; sent++) {
      new DataView(payload.buffer).setUint32(0, sent);
      await peer.send(Opcode.Binary, payload);
    }
  })();
  // back-pressure goes all the way: server's output, server's input, the buffers of the system, and this peer
  assertLess(await atRest(victim, () => sent), 512);
  for (let received = 0; received < 1024; received++) {
    const [, payload] = (await peer.next())!;
    assertEquals([new DataView(payload.buffer).getUint32(0), payload.length], [received, 64 * KiB]);
  }
  await sending;
  peer.conn.close();
  return { "WsConnectionLost: The peer ended the connection without a Close frame": 1 };
});

attack("1 million Pings of a peer that does not read are all taken, and the latest is answered", {
  atMost: 25,
}, async (victim) => {
  const peer = await RawPeer.connect(victim.addr);
  const COUNT = 1_000_000, BATCH = 1000;
  const ping = encodeFrame(Opcode.Ping, new Uint8Array(32), { maskKey: 0 });
  const batch = new Uint8Array(ping.length * BATCH);
  for (let i = 0; i < BATCH; i++) batch.set(ping, i * ping.length);
  for (let sent = 0; sent < COUNT; sent += BATCH) {
    // numbered, so that it is seen which of them are answered
    for (let i = 0; i < BATCH; i++) {
      new DataView(batch.buffer).setUint32(i * ping.length + 6, sent + i);
    }
    await peer.write(batch);
  }
  let answered = 0;
  for (let last = -1; last < COUNT - 1; answered++) {
    const [first, payload] = (await peer.next())!;
    assertEquals([first, payload.length], [FIN | Opcode.Pong, 32]);
    const number = new DataView(payload.buffer).getUint32(0);
    assert(number > last, `the Pong of Ping ${number} comes behind that of ${last}`);
    last = number;
  }
  // RFC 6455 §5.5.3: not all that piled up need an answer, or they would pile up here
  assertLess(answered, COUNT / 2);
  await peer.send(Opcode.Close);
  assertEquals(await peer.next(), [FIN | Opcode.Close, new Uint8Array()]);
  await peer.end();
  peer.conn.close();
  return {};
});
