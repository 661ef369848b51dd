/**
 * What other people's servers answer to frames that break the rules, beside ours: prints the table of docs/comparison.md.
 *
 *     deno task run tools/answers.ts      # needs npm; asks Node and Bun (or $BUN) too, where they are
 */
import { unhex } from "../tests/helpers/bytes.ts";
import { Program } from "../tests/helpers/program.ts";

/** Whoever has not answered by then, in ms, waits for more. */
const PATIENCE = 1000;

const FRAMES = [
  ["8182 00000000 c328", "not UTF-8"],
  ["0182 00000000 c328", "the same, in the first of several fragments"],
  ["81e4 00000000 c328", "the same, in a frame of 100 bytes that has only begun"],
  ["8101 61", "not masked"],
  ["81fe 0001 00000000 61", "a length in 16 bits where 7 would do"],
  ["a181 00000000 61", "a reserved bit"],
  ["8381 00000000 61", "a reserved opcode"],
  ["8081 00000000 61", "a continuation of nothing"],
  ["0981 00000000 61", "a Ping in fragments"],
  ["8881 00000000 03", "a Close with half a code"],
  ["8882 00000000 03ed", "a Close with the code 1005"],
  ["82ff 0000010000000000 00000000 00", "one byte of a TiB"],
] as const;

const OPENINGS = [
  ["Origin: https://elsewhere.example", "a page of another origin"],
  ["Sec-WebSocket-Extensions: permessage-deflate", "compression"],
  [
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10",
    "… with a window of 10 bits",
  ],
  ["Sec-WebSocket-Extensions: permessage-deflate; unknown", "… with an unknown parameter"],
  ["Sec-WebSocket-Protocol: a, b", "two subprotocols"],
] as const;

const pathOf = (file: string) => new URL(`../bench/servers/${file}`, import.meta.url).pathname;
const WS = "npm:ws@8.23.0";
await import(WS); // downloads it, for Node

const SERVERS: Record<string, [program: string, ...args: string[]]> = {
  "here": [Deno.execPath(), "run", "-A", pathOf("wsconn.ts"), "deflate"],
  "`ws`": ["node", pathOf("npm_ws.mjs"), import.meta.resolve(WS), "deflate"],
  "Deno": [Deno.execPath(), "run", "-A", pathOf("deno_native.ts"), "deflate"],
  "Bun": [Deno.env.get("BUN") ?? "bun", pathOf("bun.mjs"), "deflate"],
};

/** The bytes that a server sends until it has nothing to say for a while, and whether it has closed TCP then. */
async function listen(conn: Deno.Conn): Promise<{ bytes: Uint8Array; closed: boolean }> {
  const buffer = new Uint8Array(4096);
  let length = 0;
  const timer = setTimeout(() => conn.close(), PATIENCE);
  try {
    for (let read; (read = await conn.read(buffer.subarray(length))) !== null;) length += read;
    return { bytes: buffer.subarray(0, length), closed: true };
  } catch (error) {
    const reset = error instanceof Deno.errors.ConnectionReset;
    return { bytes: buffer.subarray(0, length), closed: reset };
  } finally {
    clearTimeout(timer);
    try {
      conn.close();
    } catch {
      // it is closed
    }
  }
}

async function open(port: number, field = ""): Promise<Deno.Conn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const lines = [
    "GET / HTTP/1.1",
    `Host: 127.0.0.1:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...(field === "" ? [] : [field]),
  ];
  await conn.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
  return conn;
}

/** What comes back for a frame: the code of a Close, "echo", "TCP closed", or nothing. */
async function answerTo(port: number, frame: string): Promise<string> {
  const conn = await open(port);
  await conn.write(unhex(frame.replaceAll(" ", "")));
  const { bytes, closed } = await listen(conn);
  const head = new TextDecoder("latin1").decode(bytes).indexOf("\r\n\r\n") + 4;
  const [first, length, high = 0, low = 0] = bytes.subarray(head);
  if (first === 0x88) return length! < 2 ? "1005" : `${high << 8 | low}`;
  if (first !== undefined) return "echo";
  return closed ? "TCP closed" : "–";
}

/** What comes back for an opening: the status, and what was agreed on. */
async function agreedOn(port: number, field: string): Promise<string> {
  const { bytes } = await listen(await open(port, field));
  const text = new TextDecoder("latin1").decode(bytes);
  const [, status] = text.match(/^HTTP\/1\.1 (\d+)/) ?? [];
  const [, agreed] = text.match(/^Sec-WebSocket-(?:Extensions|Protocol): (.*)\r$/im) ?? [];
  return agreed === undefined ? `${status}` : `${status}: \`${agreed}\``;
}

async function ask(name: string): Promise<string[] | undefined> {
  const [program, ...args] = SERVERS[name]!;
  try {
    await using server = new Program(program, args);
    const port = Number((await server.line(/^\d+$/))[0]);
    return await Promise.all([
      ...FRAMES.map(([frame]) => answerTo(port, frame)),
      ...OPENINGS.map(([field]) => agreedOn(port, field)),
    ]);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // there is no such program
  }
}

const names = Object.keys(SERVERS);
const answers: (string[] | undefined)[] = [];
for (const name of names) answers.push(await ask(name));

const row = (...cells: string[]) => console.log(`| ${cells.join(" | ")} |`);
row("what the client sends", "which is", ...names);
row("---", "---", ...names.map(() => "---"));
[...FRAMES, ...OPENINGS].forEach(([sent, what], i) =>
  row(`\`${sent}\``, what, ...answers.map((answer) => answer?.[i] ?? ""))
);
