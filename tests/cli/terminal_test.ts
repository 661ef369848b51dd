/** The client at a terminal: a real pseudo-terminal, which `script` of util-linux makes. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type WsConn, wsServe } from "../../mod.ts";
import { argsOf, Running } from "../helpers/cli.ts";
import { runs } from "../helpers/node.ts";
import { echo, LOCAL } from "../helpers/sockets.ts";

const found = await runs("script", "-qec", "true", "/dev/null");

function atTerminal(name: string, fn: () => Promise<void>): void {
  const why = " (ignored: no script of util-linux on this machine)";
  Deno.test({ name: found ? name : name + why, ignore: !found, fn });
}

/** Starts the command line at a terminal of its own; behind it, the state of the terminal is printed. */
function startAtTerminal(...args: string[]): Running {
  const quoted = [Deno.execPath(), ...argsOf(args)].map((arg) => `'${arg}'`).join(" ");
  return new Running("script", ["-qec", `${quoted}; echo "code $?"; stty -a`, "/dev/null"]);
}

/** What came from a terminal, without what moves the cursor and erases. */
function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[\d*[A-Z]/g, "").replaceAll("\r", "");
}

atTerminal(
  "terminal: lines typed are sent, messages printed with time and size, Ctrl-D closes",
  async () => {
    await using server = wsServe(echo, LOCAL);
    await using running = startAtTerminal(server.url);
    await running.until(/> /);
    await running.type("hello\n");
    await running.until(/\[text 5 B\] hello/);
    await running.type("/ping\n");
    await running.until(/Pong after/);
    await running.type("\x04");
    const { stdout } = await running.end();
    const text = plain(stdout);
    assertMatch(text, /^Connected to ws:\/\/127\.0\.0\.1:\d+\/ \(rfc6455\)\n/);
    assertMatch(text, /> \d\d:\d\d:\d\d\.\d{3} \[text 5 B\] hello\n/);
    assertMatch(text, /\nClosed with 1000\ncode 0\n/);
    assertMatch(text, /[^-]icanon/); // and the terminal is as it was
    assertMatch(text, /[^-]echo\b/);
  },
);

atTerminal(
  "terminal: what is being typed survives a message, and nothing in one controls the terminal",
  async () => {
    const conns: WsConn[] = [];
    await using server = wsServe(async (conn) => {
      conns.push(conn);
      await echo(conn);
    }, LOCAL);
    await using running = startAtTerminal(server.url);
    await running.until(/> /);
    await running.type("half ty");
    await running.until(/half ty/);
    await conns[0]!.send("from \x1b[2J\x9b\u202eelsewhere\r\n");
    await running.until(/from [^]*half ty/);
    await running.type("ped\n");
    await running.until(/\[text 10 B\] half typed/);
    await running.type("/close 4000 enough\n");
    assertEquals(await conns[0]!.finished, { code: 4000, reason: "enough", wasClean: true });
    const { stdout } = await running.end();
    assertStringIncludes(stdout, "from \\x1b[2J\\x9b\\u{202e}elsewhere\\r\\n");
    assert(!stdout.includes("\x1b[2J"));
    assertMatch(plain(stdout), /\ncode 0\n/);
  },
);

atTerminal("terminal: a wrong command is told, and it goes on; /help lists them all", async () => {
  await using server = wsServe(echo, LOCAL);
  await using running = startAtTerminal(server.url);
  await running.until(/> /);
  for (
    const [line, answer] of [["/nothing", /no command \/nothing/], [
      "/close 1",
      /code 1: /,
    ]] as const
  ) {
    await running.type(`${line}\n`);
    await running.until(answer);
  }
  await running.type("/help\n");
  for (const command of ["ping", "binary", "close", "help", "/"]) {
    await running.until(new RegExp(`/${command}.*`));
  }
  await running.type("/binary 00ff\n");
  await running.until(/\[binary 2 B\] 00 ff/);
  await running.type("//not a command\n");
  await running.until(/\[text 14 B\] \/not a command/);
  await running.type("\x04");
  assertMatch(plain((await running.end()).stdout), /\ncode 0\n/);
});

atTerminal("terminal: lines and Ctrl-D at once, or while messages arrive", async () => {
  const received: unknown[] = [];
  await using server = wsServe(async (conn) => {
    for await (const message of conn) {
      received.push(message);
      while (message === "flood" && !conn.closed) {
        await conn.send("again".repeat(100)).catch(() => {});
      }
    }
  }, LOCAL);
  for (const text of ["one\ntwo\n\x04", "flood\n"]) {
    await using running = startAtTerminal(server.url);
    await running.until(/> /);
    await running.type(text);
    if (text === "flood\n") {
      await running.until(/again/);
      await running.type("\x04");
    }
    assertMatch(plain((await running.end()).stdout), /\nClosed with 1000\ncode 0\n/);
  }
  assertEquals(received, ["one", "two", "flood"]);
});

atTerminal("terminal: Ctrl-C closes with 1000, and exits with 130", async () => {
  const closed = Promise.withResolvers<unknown>();
  await using server = wsServe(async (conn) => closed.resolve(await conn.finished), LOCAL);
  await using running = startAtTerminal(server.url);
  await running.until(/> /);
  await running.type("unfinished\x03");
  const text = plain((await running.end()).stdout);
  assertEquals(await closed.promise, { code: 1000, reason: "", wasClean: true });
  assertMatch(text, /\ncode 130\n/);
  assertMatch(text, /[^-]icanon/);
});

atTerminal("terminal: a server that closes ends the prompt", async () => {
  await using server = wsServe(async (conn) => {
    await conn.recv();
    await conn.close(4001, "\x1b[31mred");
  }, LOCAL);
  await using running = startAtTerminal(server.url);
  await running.until(/> /);
  await running.type("bye\n");
  const text = plain((await running.end()).stdout);
  assertMatch(text, /\nClosed with 4001 "\\x1b\[31mred"\ncode 3\n/);
  assertMatch(text, /[^-]icanon/);
});

atTerminal("terminal: bench draws a progress bar, and erases it", async () => {
  await using server = wsServe(echo, LOCAL);
  await using running = startAtTerminal("bench", "--duration", "0.7", server.url);
  await running.until(/\[#+\.+\] +\d+ % {2}[\d,]+ messages\/s/);
  const { stdout } = await running.end();
  assertMatch(
    stdout.replaceAll("\r\x1b[J", "<erased>"),
    /messages\/s\r?(<erased>)+10 connections, 1/,
  );
  assertMatch(plain(stdout), /\ncode 0\n/);
});
