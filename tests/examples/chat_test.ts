/** The chat of the examples without a browser: its server as it stands, in a process of its own, and clients of ours. */
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { type ChatEvent, MAX_NAME, MAX_TEXT, type Why } from "../../examples/chat/messages.ts";
import { Room } from "../../examples/chat/room.ts";
import { WsHandshakeError } from "../../mod.ts";
import { ChatServer, Guest, serverCommand, token } from "../helpers/chat.ts";
import { pair, RawPeer } from "../helpers/sockets.ts";

const key = "a-key-of-16-chars";
const id = "an-id-of-16-chars";

Deno.test("chat: what is said reaches everybody, and everybody sees who comes and goes", async () => {
  await using server = await ChatServer.start();
  const { guest: ada, welcome } = await Guest.enter(server, "Ada");
  assertEquals(welcome, { type: "welcome", name: "Ada", people: ["Ada"], history: [] });
  const { guest: bob, welcome: second } = await Guest.enter(server, "  Bob \t Smith ");
  assertEquals([second.name, second.people], ["Bob Smith", ["Ada", "Bob Smith"]]);
  assertEquals((await ada.next("joined")).name, "Bob Smith");

  const before = Date.now();
  await ada.say(" Grüße,\n世界 👋 <b> ", id);
  const said = await bob.next("said");
  assertEquals(await ada.next("said"), said);
  assertEquals([said.id, said.name, said.text], [id, "Ada", "Grüße,\n世界 👋 <b>"]);
  assert(said.time >= before && said.time <= Date.now());

  await bob.conn.close();
  assertEquals((await ada.next("left")).name, "Bob Smith");
  const { guest: eve, welcome: third } = await Guest.enter(server, "bob smith"); // the name is free again
  assertEquals([third.people, third.history], [["Ada", "bob smith"], [said]]);
  await ada.conn.close();
  assertEquals((await eve.next("left")).name, "Ada");
  await eve.conn.close();
});

/** What is sent, before and after hello, and why it is refused. */
const REFUSED: [message: string | Uint8Array, why: Why][] = [
  ["", "malformed"],
  ["{", "malformed"],
  ["null", "malformed"],
  ["[]", "malformed"],
  ['"hello"', "malformed"],
  [Uint8Array.of(123, 125), "malformed"],
  ['{"type":"__proto__"}', "malformed"],
  [`{"type":"hello","key":"${key}"}`, "malformed"],
  [`{"type":"hello","name":["Eve"],"key":"${key}"}`, "malformed"],
  ['{"type":"hello","name":"Eve"}', "malformed"],
  ['{"type":"hello","name":"Eve","key":"short"}', "malformed"],
  [`{"type":"hello","name":" \\n ","key":"${key}"}`, "name"],
  [`{"type":"hello","name":"${"x".repeat(MAX_NAME + 1)}","key":"${key}"}`, "name"],
  [`{"type":"hello","name":"\\u202eevE","key":"${key}"}`, "name"],
  [`{"type":"hello","name":"E\\u0000ve","key":"${key}"}`, "name"],
  [`{"type":"hello","name":"E\\ud800ve","key":"${key}"}`, "name"],
  [`{"type":"hello","name":"Ada","key":"${key}"}`, "name_taken"],
  [`{"type":"hello","name":"ａDA","key":"${key}"}`, "name_taken"],
  [`{"type":"say","id":"${id}","text":"before hello"}`, "not_in"],
];
const REFUSED_INSIDE: [message: string, why: Why][] = [
  ['{"type":"say","text":"no id"}', "malformed"],
  [`{"type":"say","id":"${id}"}`, "malformed"],
  [`{"type":"say","id":"${id}","text":{"toString":1}}`, "malformed"],
  [`{"type":"say","id":"${id}","text":"  "}`, "text"],
  [`{"type":"say","id":"${id}","text":"${"x".repeat(MAX_TEXT + 1)}"}`, "text"],
  [`{"type":"say","id":"${id}","text":"a bell \\u0007"}`, "text"],
  [`{"type":"say","id":"${id}","text":"half \\ud800"}`, "text"],
  [`{"type":"hello","name":"Twice","key":"${key}"}`, "name"],
];

Deno.test("chat: what is malformed, too long or out of turn is answered with the reason, and nothing breaks", async () => {
  await using server = await ChatServer.start();
  const { guest: ada } = await Guest.enter(server, "Ada");
  await using eve = await Guest.connect(server);
  for (const [message, why] of REFUSED) {
    await eve.conn.send(message);
    assertEquals((await eve.next("refused")).why, why, `${message}`);
  }
  const { guest: bob } = await Guest.enter(server, "B".repeat(MAX_NAME));
  for (const [message, why] of REFUSED_INSIDE) {
    await bob.conn.send(message);
    const refused = await bob.next("refused");
    assertEquals([refused.why, refused.id], [why, message.includes(id) ? id : undefined], message);
  }
  await bob.say("世".repeat(MAX_TEXT));
  assertEquals((await bob.next("said")).text.length, MAX_TEXT);
  await bob.send({ type: "ping" });
  await bob.next("pong");
  await bob.conn.send(" ".repeat(17 * 1024));
  assertEquals((await bob.conn.finished).code, 1009);
  // Ada has seen nothing of all that but this
  assertEquals((await ada.next("joined")).name, "B".repeat(MAX_NAME));
  await ada.next("said");
  await ada.next("left");
  await ada.conn.close();
});

Deno.test("chat: who says too much at once is told when to try again, and one who does not care is closed", async () => {
  await using server = await ChatServer.start();
  const { guest: ada } = await Guest.enter(server, "Ada");
  const { guest: eve } = await Guest.enter(server, "Eve");
  await ada.next("joined");
  const texts: string[] = [];
  let refused: ChatEvent & { type: "refused" } | undefined;
  while (refused === undefined) {
    const text = `${texts.length}`;
    await eve.say(text, `${id}-${text}`);
    const event = await eve.event();
    if (event.type === "refused") refused = event;
    else texts.push(text);
  }
  assertGreaterOrEqual(texts.length, 19); // and hello makes 20
  assertEquals([refused.why, refused.id], ["too_fast", `${id}-${texts.length}`]);
  await new Promise((resolve) => setTimeout(resolve, refused.retryAfter! * 1000));
  await eve.say("again", `${id}-${texts.length}`);
  assertEquals((await eve.next("said")).text, "again");

  // which may be closed before all of it is sent
  await Promise.allSettled(Array.from({ length: 100 }, () => eve.say("flood")));
  assertEquals(await eve.conn.finished, {
    code: 1008,
    reason: "Far too many messages",
    wasClean: true,
  });
  for (const text of [...texts, "again"]) assertEquals((await ada.next("said")).text, text);
  // what the time that has passed allowed for
  for (let event = await ada.event(); event.type !== "left"; event = await ada.event()) {
    assert(event.type === "said" && event.text === "flood");
  }
  await ada.conn.close();
});

Deno.test("chat: a page that comes back finds what it has missed, takes its name back, and says nothing twice", async () => {
  await using server = await ChatServer.start();
  const { guest: ada } = await Guest.enter(server, "Ada");
  const { guest: lost } = await Guest.enter(server, "Bob", key);
  await ada.next("joined");
  await lost.say("once", id);
  await lost.next("said");
  await ada.next("said");
  // the server does not know yet that the first connection is dead
  const { guest: bob, welcome } = await Guest.enter(server, "Bob", key);
  assertEquals(welcome.people, ["Ada", "Bob"]);
  assertEquals(welcome.history.map(({ text }) => text), ["once"]);
  assertEquals((await lost.conn.finished).code, 4000);
  await bob.say("once", id); // the page had not heard that it had arrived
  assertEquals(await bob.next("said"), welcome.history[0]);
  await bob.say("twice");
  assertEquals((await ada.next("said")).text, "twice"); // nothing of leaving, joining or "once"
  await Promise.all([ada, bob].map(({ conn }) => conn.close()));
});

Deno.test("chat: the last 100 messages are kept for those who come later", async () => {
  await using server = await ChatServer.start();
  const texts: string[] = [];
  for (let person = 0; person < 6; person++) {
    const { guest } = await Guest.enter(server, `Guest ${person}`);
    for (let count = 0; count < 19; count++) {
      texts.push(`${person}: ${count}`);
      await guest.say(texts.at(-1)!);
      assertEquals((await guest.next("said")).text, texts.at(-1));
    }
    await guest.conn.close();
  }
  const { guest, welcome } = await Guest.enter(server, "Late");
  assertEquals(welcome.history.map(({ text }) => text), texts.slice(-100));
  await guest.conn.close();
});

Deno.test("chat: one who does not read holds up nobody, is closed, and takes no more memory than 1 MiB", async () => {
  const room = new Room();
  const { server, client } = await pair();
  const ada = { name: "Ada", key, conn: server };
  room.enter(ada);
  const { peer, conn: slow } = await RawPeer.against("client");
  room.enter({ name: "Slow", key: token(), conn: slow });
  const text = "世".repeat(MAX_TEXT);
  let said = 0;
  let most = 0;
  while (!slow.closed) {
    assertLess(++said, 20_000);
    room.say(ada, `${said}`, text);
    most = Math.max(most, slow.bufferedAmount);
    let last;
    do last = JSON.parse(await client.recv() as string).id; while (last !== `${said}`);
  }
  assertLess(most, (1 << 20) + 3 * MAX_TEXT + 1000);
  peer[Symbol.dispose]();
  await slow.finished;
  await client.close();
});

Deno.test("chat: the page's files are served as what they are, and nothing else on the disk", async () => {
  await using server = await ChatServer.start();
  const { host, port } = new URL(server.url);
  /** Sends a target as it stands, which `fetch` would tidy up. */
  const ask = async (target: string, method = "GET", headers: string[] = []) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...headers];
    await conn.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
    const answer = await new Response(conn.readable).text();
    const [head = "", body] = answer.split("\r\n\r\n", 2);
    return { head, body, status: Number(head.split(" ")[1]) };
  };
  for (
    const [target, file, type] of [
      ["/", "index.html", "text/html"],
      ["/?from=elsewhere", "index.html", "text/html"],
      ["/chat.css", "chat.css", "text/css"],
      ["/chat.js", "chat.js", "text/javascript"],
      ["/connection.js", "connection.js", "text/javascript"],
      ["/icon.svg", "icon.svg", "image/svg+xml"],
      ["/../../chat.css", "chat.css", "text/css"], // which is where ".." ends
    ] as const
  ) {
    const { head, body, status } = await ask(target);
    assertEquals(status, 200, target);
    assertEquals(
      body,
      await Deno.readTextFile(new URL(`../../examples/chat/page/${file}`, import.meta.url)),
    );
    assertMatch(head, new RegExp(`^content-type: ${type.replace("+", "\\+")}`, "im"));
    assertMatch(head, /^content-security-policy: default-src 'none'; script-src 'self';/im);
    assertMatch(head, /^x-content-type-options: nosniff/im);
    const [, etag] = head.match(/^etag: (".+")/im) ?? [];
    assertEquals((await ask(target, "GET", [`If-None-Match: ${etag}`])).status, 304);
    const { body: none, status: same } = await ask(target, "HEAD");
    assertEquals([none, same], ["", 200]);
  }
  for (
    const target of [
      "/server.ts",
      "/page/chat.js",
      "/index.html/",
      "//chat.js/..",
      "/../server.ts",
      "/chat.js/../../server.ts",
      "/..%2fserver.ts",
      "/%2e%2e/server.ts",
      "/%2e%2e%2fserver.ts",
      "/..\\server.ts",
      "/%2Fetc/passwd",
      "//etc/passwd",
      "/chat.js%00",
      "/__proto__",
      "http://elsewhere.example/etc/passwd",
      "file:///etc/passwd",
    ]
  ) {
    const { body, status } = await ask(target);
    assert(status === 404 || status === 400, `${target}: ${status}`);
    assert(!body!.includes("import") && !body!.includes("root:"), target);
  }
  const { head, status } = await ask("/", "POST", ["Content-Length: 0"]);
  assertEquals(status, 405);
  assertMatch(head, /^allow: GET, HEAD/im);
});

Deno.test("chat: a page of another origin is refused with 403, unless --origin lets it in", async () => {
  const headers = { origin: "https://chat.example" };
  {
    await using server = await ChatServer.start();
    const error = await assertRejects(() => Guest.connect(server, { headers }), WsHandshakeError);
    assertEquals(error.status, 403);
  }
  await using server = await ChatServer.start("--origin", headers.origin);
  await using _let = await Guest.connect(server, { headers });
});

Deno.test("chat: --compression, and 1001 for everybody when the server ends", async () => {
  for (const [options, extensions] of [[[], ""], [["--compression"], "permessage-deflate"]]) {
    await using server = await ChatServer.start(...options!);
    await using guest = await Guest.connect(server, { compression: true });
    assertEquals(guest.conn.extensions, extensions);
    const status = await server.stop("SIGTERM");
    assertEquals([(await guest.conn.finished).code, status.code], [1001, 0]);
  }
});

Deno.test("chat: wrong options are explained", async () => {
  const run = async (...options: string[]) => {
    const command = new Deno.Command(Deno.execPath(), serverCommand(options));
    const { code, stdout, stderr } = await command.output();
    return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  };
  const { code, out } = await run("--help");
  assertEquals(code, 0);
  for (const name of ["port", "host", "compression", "cert", "key", "origin"]) {
    assertMatch(out, new RegExp(`^  --${name} `, "m"));
  }
  for (
    const [options, problem] of [
      [["--prot", "80"], /Unknown option '--prot'/],
      [["--port", "http"], /--port must be 0 to 65535: current value is http/],
      [["--port", "65536"], /--port must be 0 to 65535: current value is 65536/],
    ] as const
  ) {
    const { code, err } = await run(...options);
    assertEquals(code, 2);
    assertMatch(err, problem);
  }
});
