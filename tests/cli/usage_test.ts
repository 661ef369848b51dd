/** Wrong usage of all commands: what `main` says of it, in this process, as nothing is read, printed or connected to. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { main } from "../../cli.ts";

const LICENSE = new URL("../../LICENSE", import.meta.url).pathname;
const CERT = new URL("../../examples/certs/client.pem", import.meta.url).pathname;

/** The arguments, and what is said of them. */
const cases: [args: string[], says: RegExp][] = [
  // connect
  [["ws://a", "ws://b"], /^Cannot take 2 arguments: .*"ws:\/\/b"/],
  [["localhost"], /^Cannot connect to "localhost": /],
  [["ftp://a/"], /its scheme must be ws: or wss:/],
  [["ws://a/#b"], /must not have a fragment/],
  [["--bogus", "ws://a"], /^Unknown option '--bogus'/],
  [["--bogus=\x1b[2J", "ws://a"], /^Unknown option '--bogus'/],
  [["connect", "\x1b[2J"], /^Cannot connect to ".*\\x1b\[2J": /],
  [["--version"], /'--version/],
  ...["hixie-77", "13", "RFC6455", ""].map((version): typeof cases[0] => [
    [`--version=${version}`, "ws://a"],
    /^--version must be one of rfc6455, hixie-76, hixie-75: current value is ".*"\n/,
  ]),
  [["--wait", "long", "ws://a"], /^--wait must be a number of at least 0: .* is "long"\n/],
  [["-H", "a", "ws://a"], /^Cannot send the header "a": .*"Name: value"/],
  [["-H", "a: b\nc: d", "ws://a"], /malformed/],
  [["-H", "Upgrade: x", "ws://a"], /upgrade/i],
  [["--protocol=a", "--protocol=a", "ws://a"], /twice/],
  [["--insecure", "wss://a"], /^Cannot connect with --insecure: .*--ca FILE/],
  [["--ca", "/no/such.pem", "wss://a"], /^Cannot read "\/no\/such.pem" for --ca: No such file/],
  [["--ca", LICENSE, "wss://a"], /^Cannot take ".*" for --ca: it has no certificate \(PEM\)/],
  [["--cert", LICENSE, "wss://a"], /^Cannot take ".*" for --cert: it has no certificate \(PEM\)/],
  [["--key", CERT, "wss://a"], /^Cannot take ".*" for --key: it has no private key \(PEM\)/],
  [["--cert", CERT, "wss://a"], /^Cannot show a certificate with only "cert"/],
  [["--proxy", "socks5://a", "ws://a"], /http: or https:/],
  [["--proxy", "http://a", "--unix", "/a", "ws://a"], /^Cannot connect with "proxy" and "unix"/],
  [["--proxy-header", "a", "ws://a"], /^Cannot send the header "a": .*"Name: value"/],
  [["--proxy-header", "Host: a", "ws://a"], /^Cannot set header host for the proxy/],
  ...["-1", "1.5", "some", ""].map((number): typeof cases[0] => [
    [`--max-redirects=${number}`, "ws://a"],
    /^--max-redirects must be a whole number of at least 0: current value is ".*"\n/,
  ]),
  // bench
  [["bench"], /^The URL is missing/],
  [["bench", "--connections", "0", "ws://a"], /^--connections must be .* from 1 to/],
  [["bench", "--size", "0.5", "ws://a"], /^--size must be a whole number/],
  [["bench", "--duration", "0", "ws://a"], /^--duration must be/],
  [["bench", "--max-redirects=-1", "ws://a"], /^--max-redirects must be/],
  [["bench", "-k", "wss://a"], /--ca FILE/],
  // serve
  [["serve", "--port", "65536"], /^--port must be a whole number from 0 to 65535: .*"65536"/],
  [["serve", "--port", ""], /^--port must be/],
  [["serve", "8080"], /8080/],
  [["serve", "--cert", CERT], /--cert and --key/],
];

/** Runs it; returns the exit code, and what it prints on standard error by way of the console. */
async function usage(args: string[]): Promise<[code: number, stderr: string]> {
  const { error } = console;
  let stderr = "";
  console.error = (text: string) => stderr += `${text}\n`;
  try {
    return [await main(args), stderr];
  } finally {
    console.error = error;
  }
}

Deno.test("wrong usage: 2, what is wrong with it, and where the help is", async (t) => {
  for (const [args, says] of cases) {
    await t.step(JSON.stringify(args), async () => {
      const [code, stderr] = await usage(args);
      assertMatch(stderr, says);
      const [command] = args as [string];
      const of = ["connect", "bench", "serve"].includes(command) ? ` ${command}` : "";
      assert(stderr.endsWith(`\nHelp: deno run -N jsr:@wsconn/ws/cli${of} --help\n`), stderr);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(stderr), "nothing controls the terminal");
      assertEquals(code, 2);
    });
  }
});
