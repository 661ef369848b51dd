/**
 * Interop with a real browser: Chromium, without a window, loads a page that our own server answers with; the page
 * exchanges messages over `new WebSocket`, and posts what it has seen.
 */
import { assert, assertEquals } from "@std/assert";
import { type CompressionOptions, type WsConn, wsServe } from "../../mod.ts";
import { chromium, needsChromium } from "../helpers/chromium.ts";
import { openHandles } from "../helpers/deflate.ts";
import { LOCAL } from "../helpers/sockets.ts";

/** How long the browser may take for everything, in ms. */
const DEADLINE = 60_000;

/** Opens a page in a new browser, which ends when this is disposed; `failed` rejects if it does so before, or never. */
async function open(url: string): Promise<{ failed: Promise<never> } & AsyncDisposable> {
  const profile = await Deno.makeTempDir();
  const child = new Deno.Command(chromium!, {
    args: [
      "--headless",
      "--no-sandbox", // which root cannot have
      "--disable-gpu",
      "--disable-quic",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--user-data-dir=${profile}`,
      url,
    ],
    env: { TMPDIR: profile },
    stdout: "null",
    stderr: "null",
  }).spawn();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => {});
  const timer = setTimeout(() => reject(new Error(`Not done within ${DEADLINE} ms`)), DEADLINE);
  void child.status.then(({ code }) => reject(new Error(`Chromium has ended with ${code}`)));
  return {
    failed,
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      try {
        child.kill("SIGTERM");
      } catch {
        // it has ended
      }
      await child.status;
      // its children may still be writing
      for (let tries = 0; tries < 20; tries++) {
        try {
          return await Deno.remove(profile, { recursive: true });
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    },
  };
}

/** What the page saw of one connection. */
interface Seen {
  extensions: string;
  protocol: string;
  messages: number;
  wrong: string[];
  closed: { code: number; reason: string; wasClean: boolean };
}

const CLOSERS: Closer[] = ["page", "server"];
const LENGTHS = [0, 1, 125, 126, 1023, 1024, 5000, 65_535, 65_536, 1 << 20];

/** Who closes a connection. */
type Closer = "page" | "server";

/** Runs in the browser, and so can refer to nothing here. */
async function page(urls: string[], closers: Closer[], lengths: number[]): Promise<Seen[]> {
  const same = (a: Uint8Array, b: Uint8Array) =>
    a.length === b.length && a.every((byte, at) => byte === b[at]);
  const text = (length: number) => {
    const words = Array.from({ length: length / 8 }, (_, at) => `é${at * 7919 % 9973}`).join(" ");
    return words.slice(0, length >> 1).padEnd(length >> 1, "x");
  };
  const exchange = (url: string, closer: Closer) =>
    new Promise<Seen>((resolve) => {
      const socket = new WebSocket(url, ["v0", "v1"]);
      socket.binaryType = "arraybuffer";
      const sent = lengths.flatMap((length) => {
        const string = text(length);
        return [string, new TextEncoder().encode(string), string];
      });
      const wrong: string[] = [];
      let messages = 0;
      socket.onopen = () => sent.forEach((message) => socket.send(message));
      socket.onmessage = ({ data }) => {
        const message = sent[messages++];
        const right = typeof data === "string"
          ? data === message
          : message instanceof Uint8Array && same(new Uint8Array(data), message);
        if (!right) wrong.push(`message ${messages}`);
        if (messages < sent.length) return;
        if (closer === "server") socket.send("!close");
        else socket.close(4001, "page says bye");
      };
      socket.onerror = () => wrong.push("error");
      socket.onclose = ({ code, reason, wasClean }) => {
        const { extensions, protocol } = socket;
        resolve({ extensions, protocol, messages, wrong, closed: { code, reason, wasClean } });
      };
    });
  const seen = [];
  for (const url of urls) {
    for (const closer of closers) seen.push(await exchange(url, closer));
  }
  return seen;
}

/** What a server is set to, and what the page then sees. */
const COMPRESSIONS: [compression: boolean | CompressionOptions, extensions: string][] = [
  [false, ""],
  [true, "permessage-deflate"],
  [
    { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 },
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  ],
  [
    { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
  ],
  [
    { serverMaxWindowBits: 8, clientMaxWindowBits: 8 },
    "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
  ],
];

Deno.test({
  ...needsChromium("a page in Chromium and our server: messages of all sizes, compressed and not"),
  async fn() {
    const endings: unknown[] = [];
    const errors: unknown[] = [];
    const serve = async (conn: WsConn) => {
      void conn.finished.then((info) => endings.push(info));
      for await (const message of conn) {
        if (message === "!close") await conn.close(4002, "server says bye");
        else {
          await conn.send(message);
          // both directions are compressed, or none is
          const takesOver = conn.extensions !== "" && !conn.extensions.includes("no_context");
          if (message.length > 1024 && takesOver) assertEquals(openHandles(), 2);
          if (conn.extensions === "") assertEquals(openHandles(), 0);
        }
      }
    };
    const { promise: reported, resolve: report } = Promise.withResolvers<Seen[] | string>();
    const urls: string[] = [];
    const html = () => `
      <!doctype html><title>WebSocket</title>
      <script type="module">
        const report = (seen) => fetch("/report", { method: "POST", body: JSON.stringify(seen) });
        (${page})(...${JSON.stringify([urls, CLOSERS, LENGTHS])})
          .then(report, (error) => report(String(error)));
      </script>`;
    await using host = wsServe(serve, {
      ...LOCAL,
      onRequest: async (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/report") report(await request.json());
        if (pathname !== "/") return new Response(null, { status: 404 });
        return new Response(html(), { headers: { "content-type": "text/html" } });
      },
    });
    const home = host.url.replace("ws:", "http:");
    await using servers = new AsyncDisposableStack();
    for (const [compression] of COMPRESSIONS) {
      const origins = [new URL(home).origin];
      const onError = (error: unknown) => errors.push(error);
      const { url } = servers.use(
        wsServe(serve, { ...LOCAL, compression, origins, protocols: ["v1"], onError }),
      );
      urls.push(url);
    }
    await using browser = await open(home);
    const seen = await Promise.race([reported, browser.failed]);
    assertEquals(errors, []);
    assert(typeof seen !== "string", `${seen}`);
    const closed = CLOSERS.map((closer) =>
      closer === "page"
        ? { code: 4001, reason: "page says bye", wasClean: true }
        : { code: 4002, reason: "server says bye", wasClean: true }
    );
    assertEquals(
      seen,
      COMPRESSIONS.flatMap(([, extensions]) =>
        closed.map((closed) => {
          return { extensions, protocol: "v1", messages: 3 * LENGTHS.length, wrong: [], closed };
        })
      ),
    );
    assertEquals(endings, COMPRESSIONS.flatMap(() => closed));
    assertEquals(openHandles(), 0);
  },
});
