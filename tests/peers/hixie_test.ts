/**
 * The drafts of 2010 against other people's: npm websocket-driver (a server) and Perl's Protocol::WebSocket
 * (Debian's libprotocol-websocket-perl; both roles).
 */
import { assertEquals } from "@std/assert";
// @ts-types="npm:@types/ws@8.18.1"
import { WebSocket as NpmWebSocket } from "npm:ws@8.23.0";
import { wsConnect, wsServe } from "../../mod.ts";
import { runs, servePeer } from "../helpers/node.ts";
import { Program } from "../helpers/program.ts";
import { echo, LOCAL } from "../helpers/sockets.ts";

const hasPerl = await runs("perl", "-MProtocol::WebSocket", "-e", "1");
const needsPerl = (name: string) => ({
  name: hasPerl ? name : `${name} (ignored: no libprotocol-websocket-perl on this machine)`,
  ignore: !hasPerl,
});

const TEXTS = ["", "x", "κόσμε 𝄞", "y".repeat(126), "z".repeat(70_000)];

async function exchange(url: string, version: "hixie-75" | "hixie-76"): Promise<void> {
  const conn = await wsConnect(url, { version, closeTimeout: 1 });
  assertEquals(conn.version, version);
  for (const text of TEXTS) {
    await conn.send(text);
    assertEquals(await conn.recv(), text);
  }
  assertEquals((await conn.close()).code, 1005);
}

for (const version of ["hixie-75", "hixie-76"] as const) {
  Deno.test(`our ${version} client and websocket-driver's server`, async () => {
    await using server = await servePeer("deno", "driver_server.mjs");
    await exchange(`ws://127.0.0.1:${server.port}/path?query`, version);
  });

  Deno.test({
    ...needsPerl(`our ${version} client and Perl's server`),
    async fn() {
      // it sends the head and the MD5 in separate segments
      const script = new URL("perl_peer.pl", import.meta.url).pathname;
      await using server = new Program("perl", [script, "server"]);
      const [port] = await server.line(/^\d+$/);
      await exchange(`ws://127.0.0.1:${port}/`, version);
      assertEquals((await server.status).success, true);
    },
  });

  Deno.test({
    ...needsPerl(`our server and Perl's ${version} client`),
    async fn() {
      await using server = wsServe(echo, {
        ...LOCAL,
        versions: ["rfc6455", "hixie-76", "hixie-75"],
      });
      const script = new URL("perl_peer.pl", import.meta.url).pathname;
      const draft = version === "hixie-75" ? "draft-hixie-75" : "draft-ietf-hybi-00";
      const { success, stderr } = await new Deno.Command("perl", {
        args: [script, "client", draft, server.url],
      }).output();
      assertEquals([new TextDecoder().decode(stderr), success], ["", true]);
    },
  });
}

Deno.test("one port: a hixie-76 client, an RFC 6455 one, npm ws and Deno's own WebSocket at once", async () => {
  await using server = wsServe(echo, LOCAL);
  const native = new WebSocket(server.url);
  const npm = new NpmWebSocket(server.url);
  await Promise.all([native, npm].map((socket) => new Promise((done) => socket.onopen = done)));
  await using hixie = await wsConnect(server.url, { version: "hixie-76" });
  await using modern = await wsConnect(server.url);
  assertEquals(
    new Set(Array.from(server.connections, (conn) => conn.version)),
    new Set(["rfc6455", "hixie-76"]),
  );
  for (let i = 0; i < 10; i++) {
    const replied = [native, npm].map((socket) =>
      new Promise((done) => socket.onmessage = ({ data }: { data: string }) => done(data))
    );
    native.send(`native ${i}`);
    npm.send(`npm ${i}`);
    await Promise.all([hixie.send(`hixie ${i}`), modern.send(`modern ${i}`)]);
    assertEquals(await Promise.all([...replied, hixie.recv(), modern.recv()]), [
      `native ${i}`,
      `npm ${i}`,
      `hixie ${i}`,
      `modern ${i}`,
    ]);
  }
  const closed = [native, npm].map((socket) => new Promise((done) => socket.onclose = done));
  native.close();
  npm.close();
  await Promise.all(closed);
});
