/** The command `bench`, and the histogram that its latencies come from. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Histogram } from "../../cli/histogram.ts";
import { type WsConn, wsServe, type WsServeOptions } from "../../mod.ts";
import { seeded } from "../helpers/bytes.ts";
import { checkEach, runCli, startCli } from "../helpers/cli.ts";
import { ConnectProxy } from "../helpers/proxy.ts";
import { echo, LOCAL } from "../helpers/sockets.ts";

Deno.test("histogram: percentiles are those of the sorted times, to within 1 %", () => {
  const random = seeded(6);
  const shapes: Record<string, () => number> = {
    "even, up to 10 ms": () => random(10_000) / 1000,
    "from 1 µs to 1000 s": () => 10 ** (random(9_000) / 1000 - 3),
    "all the same": () => 12.345,
    "two in a hundred slow": () => random(100) < 2 ? 500 + random(1000) : 1 + random(10) / 10,
    "nothing": () => 0,
  };
  for (const [shape, next] of Object.entries(shapes)) {
    for (const length of [1, 2, 99, 10_000]) {
      const histogram = new Histogram();
      const times = Array.from({ length }, next);
      for (const time of times) histogram.record(time);
      times.sort((a, b) => a - b);
      for (const share of [0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
        const exact = times[Math.max(1, Math.ceil(share * length)) - 1]!;
        const got = histogram.quantile(share);
        // 1 µs is the finest it tells
        assert(
          got >= exact - 1e-9 && got <= exact * 1.01 + 0.001,
          `${shape}, ${length}, ${share}: ${got} for ${exact}`,
        );
      }
      assertEquals([histogram.count, histogram.max], [length, times.at(-1)!]);
    }
  }
  assertEquals(new Histogram().quantile(0.5), 0);
  const odd = new Histogram();
  for (const time of [-1, 1e12]) odd.record(time); // a clock set back, and a very long night
  assertEquals([odd.count, odd.max, odd.quantile(0.5)], [2, 1e12, 0]);
});

Deno.test("bench --json: what the server has counted", async () => {
  let opened = 0, received = 0;
  const sizes = new Set<string>();
  await using server = wsServe(async (conn) => {
    opened++;
    for await (const message of conn) {
      received++;
      sizes.add(`${typeof message} ${message.length}`);
      await conn.send(message);
    }
  }, {
    ...LOCAL,
    connHeaders: (_, headers) => {
      assertEquals(headers.get("x-load"), "yes");
      return { state: undefined };
    },
  });
  await using proxy = new ConnectProxy();
  for (const kind of [[], ["--binary", "--proxy", proxy.url]]) {
    opened = received = 0;
    const { code, stdout, stderr } = await runCli(
      ["bench", "--json", "--connections", "3", "--in-flight", "4", "--size", "1000", ...kind]
        .concat("--duration", "0.2", "-H", "x-load: yes", `${server.url}?token=secret`),
    );
    assertEquals([code, stderr], [0, ""]);
    const {
      seconds,
      messages,
      messagesPerSecond,
      megabytesPerSecond,
      latency,
      handshake,
      ...what
    } = JSON.parse(stdout);
    assertEquals(what, {
      url: server.url,
      connections: { opened: 3, failed: 0, lost: 0 },
      inFlight: 4,
      size: 1000,
      binary: kind.length > 0,
    });
    assertEquals(opened, 3);
    assert(messages > 0 && messages <= received && received <= messages + 3 * 4);
    assert(seconds >= 0.19);
    assertEquals(Math.round(messagesPerSecond), Math.round(messages / seconds));
    assertEquals(megabytesPerSecond.toFixed(6), (messagesPerSecond / 1000).toFixed(6));
    for (const { p50, p90, p99, max } of [latency, handshake]) {
      assert(0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max);
    }
  }
  assertEquals(proxy.targets.length, 3);
  assertEquals(sizes, new Set(["string 1000", "object 1000"]));
});

Deno.test("bench: results in words, and no progress bar where there is no terminal", async () => {
  await using server = wsServe(echo, LOCAL);
  const { code, stdout, stderr } = await runCli(
    ["bench", "-c", "2", "--size", "0", "--duration", "0.2", server.url],
  );
  assertEquals([code, stderr], [0, ""]);
  const times = String.raw`p50 [\d.,]+   p90 [\d.,]+   p99 [\d.,]+   max [\d.,]+ ms\n`;
  assertMatch(
    stdout,
    new RegExp(
      String.raw`^2 connections, 1 in flight on each, 0 B of text, 0\.\d s\n` +
        String.raw`messages    [\d,]+   [\d,]+ a second\npayload     0\.00 MB/s each way\n` +
        String.raw`latency     ${times}handshakes  ${times}$`,
    ),
  );
});

Deno.test("bench: more in flight than both sides buffer does not come to a stop", async () => {
  await using server = wsServe(echo, LOCAL);
  const { code, stdout } = await runCli(
    ["bench", "--json", "-c", "1", "--in-flight", "300", "--size", "100000"]
      .concat("--duration", "0.5", server.url),
  );
  assertEquals(code, 0);
  assert(JSON.parse(stdout).messages > 0);
});

Deno.test("bench: SIGINT prints what was measured until then, and exits with 130", async () => {
  const begun = Promise.withResolvers<void>();
  await using server = wsServe(async (conn) => {
    let answered = 0;
    for await (const message of conn) {
      await conn.send(message);
      if (++answered === 10) begun.resolve();
    }
  }, LOCAL);
  await using running = startCli(["bench", "--json", "--duration", "600", server.url]);
  await begun.promise;
  running.child.kill("SIGINT");
  const { code, stdout } = await running.end();
  assertEquals(code, 130);
  assert(JSON.parse(stdout).messages > 0);
});

Deno.test("bench: exit codes", async (t) => {
  let served = 0;
  const fifth = async (conn: WsConn) => {
    if (++served === 5) await conn.close(4000);
    else await echo(conn);
  };
  const cases: {
    name: string;
    handle?: (conn: WsConn) => void | Promise<void>;
    options?: WsServeOptions;
    args?: string[];
    code: number;
    says: RegExp;
  }[] = [
    {
      name: "nobody listens",
      args: ["ws://127.0.0.1:1/"],
      code: 1,
      says: /^Cannot connect to \S+: .*refused/i,
    },
    {
      name: "no echo",
      handle: async (conn) => {
        for await (const _ of conn) await conn.send("something else");
      },
      code: 1,
      says: /^The server does not echo/,
    },
    {
      name: "no answer",
      handle: (conn) => conn.finished.then(() => {}),
      args: ["--duration", "0.2"],
      code: 1,
      says: /^Nothing came back within 0\.\d s\n$/,
    },
    {
      name: "a full server",
      handle: echo,
      options: { maxConnections: 3 },
      args: ["--duration", "0.2"],
      code: 1,
      says: /^The server refused .* 503 .* \(of 10 connections \d could not be opened\)\n$/,
    },
    {
      name: "a connection that ends too early",
      handle: fifth,
      args: ["--duration", "0.2"],
      code: 1,
      says: /^The server closed a connection \(of 10 connections 1 ended too early\)\n$/,
    },
    {
      name: "no proxy there",
      args: ["--proxy", "http://127.0.0.1:1", "ws://a"],
      code: 1,
      says: /^Cannot connect to the proxy 127\.0\.0\.1:1: .*refused/i,
    },
    {
      name: "no permission for a Unix socket",
      args: ["--unix", "/no/such", "ws://a"],
      code: 2,
      says:
        /^Cannot connect to \S+: Requires read access .* \(a Unix socket takes --allow-read=PATH/,
    },
    { name: "a wrong URL", args: ["localhost"], code: 2, says: /it is not a URL/ },
  ];
  await checkEach(t, cases, async ({ handle, options, args = [] }) => {
    await using server = handle && wsServe(handle, { ...options, ...LOCAL });
    return await runCli(["bench", ...args].concat(server?.url ?? []));
  }, (run, { code, says }) => {
    assertMatch(run.stderr, says);
    assertEquals(run.code, code);
  });
});
