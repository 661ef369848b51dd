/** What a stranger would do with each entry point, and with what permissions. */

interface Use {
  /** None, unless it says so. */
  permissions?: string[];
  /** Statements after `import * as it from "jsr:@wsconn/ws@^0.1/…"`; they throw if it does not work. */
  program: string;
}

/** An echo over TCP, with the server of one entry point and the client of this one. */
const ECHO = `
import { wsServe } from "jsr:@wsconn/ws@^0.1/server";
await using server = wsServe((conn) => conn.send("hello"), { hostname: "127.0.0.1", port: 0 });
await using conn = await it.wsConnect(server.url);
if (await conn.recv() !== "hello") throw new Error("No echo");`;

const USES: Record<string, Use> = {
  ".": { permissions: ["--allow-net=127.0.0.1"], program: ECHO },
  "./client": { permissions: ["--allow-net=127.0.0.1"], program: ECHO },
  "./server": {
    permissions: ["--allow-net=127.0.0.1"],
    program: `
const server = it.wsServe(() => {}, { hostname: "127.0.0.1", port: 0 });
await (await fetch(server.url.replace("ws", "http"))).text();
await server.shutdown();
if (server.stats.refused !== 1) throw new Error("It has not refused plain HTTP");`,
  },
  "./framing": {
    program: `
const frame = it.encodeFrame(it.Opcode.Text, new TextEncoder().encode("Hello"));
if (frame.length !== 7) throw new Error("Wrong length");`,
  },
  "./framing/deflate": {
    program: `
const { deflater } = new it.MessageDeflate();
const bytes = await deflater.push(new TextEncoder().encode("Hello"), true);
deflater.destroy();
if (bytes.length !== 7) throw new Error("Wrong length");`,
  },
  "./testing": {
    program: `
const { client, server } = await it.wsPair();
await client.send("hello");
if (await server.recv() !== "hello") throw new Error("No message");
await client.close();`,
  },
  "./redis": {
    permissions: ["--allow-net=127.0.0.1:1"],
    program: `
const refused = await it.redisBus({ url: "redis://127.0.0.1:1" }).catch((error) => error.message);
if (!refused.startsWith("Cannot connect")) throw new Error(refused);`,
  },
  "./cli": {
    permissions: ["--allow-net=127.0.0.1"],
    program: `
if (await it.main(["connect", "ws://127.0.0.1:1/"]) !== 1) throw new Error("It has connected");`,
  },
  "./telemetry": {
    permissions: ["--allow-net=127.0.0.1"],
    program: `
import { wsServe } from "jsr:@wsconn/ws@^0.1";
const server = wsServe(it.traced(() => {}), { hostname: "127.0.0.1", port: 0 });
it.observe(server)[Symbol.dispose]();
await server.shutdown();`,
  },
};

/** With what permissions {@linkcode programOf} runs. */
export function permissionsOf(entry: string): string[] {
  return USES[entry]?.permissions ?? [];
}

/** A program that imports this entry point from JSR, and prints "ok" last. An entry point it does not know is only loaded. */
export function programOf(entry: string): string {
  const specifier = `jsr:@wsconn/ws@^0.1${entry.slice(1)}`;
  const { program = "void it;" } = USES[entry] ?? {};
  return `import * as it from "${specifier}";\n${program}\nconsole.log("ok");\n`;
}
