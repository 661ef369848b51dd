/** The chat of the examples in a real browser, and what only a browser does: pages, origins, coming back. */
import { assertEquals } from "@std/assert";
// drives Chromium by its own protocol: clicks, types, and waits for what a page shows
import { type Browser, chromium as driver, type Page } from "npm:playwright-core@1.65.1";
import { ChatServer } from "../helpers/chat.ts";
import { chromium, needsChromium } from "../helpers/chromium.ts";

/** How long the page may take for anything at all, in ms. */
const PATIENCE = 30_000;

/** A browser without a window, and (as Playwright does by default) without a sandbox, which root cannot have. */
async function launch(): Promise<Browser & AsyncDisposable> {
  return await driver.launch({ executablePath: chromium!, timeout: 2 * PATIENCE });
}

/** Opens the page in a profile of its own: nothing is shared with the others. */
async function open(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en" });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

async function join(page: Page, name: string): Promise<void> {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Join the chat" }).click();
}

async function enter(browser: Browser, url: string, name: string): Promise<Page> {
  const page = await open(browser, url);
  await join(page, name);
  await connected(page);
  return page;
}

async function shows(page: Page, text: string): Promise<void> {
  await page.getByText(text, { exact: true }).waitFor();
}

const connected = (page: Page) => shows(page, "Connected");

async function type(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
}

/** Waits until the last of the messages is this one, and sent; returns all of them. */
async function messages(page: Page, last: string): Promise<string[]> {
  await page.locator(".said:not(.pending) .text").getByText(last, { exact: true }).waitFor();
  return await page.locator(".said:not(.pending) .text").allTextContents();
}

/** Waits until these are shown as present, in this order. */
async function people(page: Page, ...names: string[]): Promise<void> {
  const list = page.locator("#people .name");
  await list.nth(names.length - 1).waitFor();
  await list.nth(names.length).waitFor({ state: "detached" });
  assertEquals(await list.allTextContents(), names);
}

const certs = [
  "--cert",
  "examples/certs/localhost.pem",
  "--key",
  "examples/certs/localhost.key.pem",
];

/** How the server is started, how it ends in the middle, and what the page then says of its connection. */
const WAYS: [way: string, options: string[], signal: Deno.Signal, transport: string][] = [
  ["over ws:, the server killed", [], "SIGKILL", "Not encrypted, not compressed"],
  ["compressed, the server shut down", ["--compression"], "SIGTERM", "Not encrypted, compressed"],
  ["over wss:", [...certs, "--compression"], "SIGKILL", "Encrypted, compressed"],
];

for (const [way, options, signal, transport] of WAYS) {
  Deno.test({
    ...needsChromium(`chat: two pages talk, and both come back when the server does: ${way}`),
    async fn() {
      await using browser = await launch();
      await using server = await ChatServer.start(...options);
      const ada = await enter(browser, server.url, "Ada");
      await shows(ada, transport);
      const bob = await enter(browser, server.url, "Bob");
      await shows(ada, "Bob has joined");
      await people(ada, "Ada", "Bob");
      await people(bob, "Ada", "Bob");

      const markup = "<img src=x onerror=\"document.title='broken in'\"> & <b>bold</b>";
      const long = "0123456789 ".repeat(180).trim(); // long enough to be compressed
      await type(ada, markup);
      await messages(bob, markup);
      await type(bob, long);
      assertEquals(await messages(ada, long), [markup, long]);
      assertEquals(await bob.title(), "Chat");

      await server.stop(signal);
      for (const page of [ada, bob]) {
        await page.getByText("Connection lost, trying again").waitFor();
      }
      await type(ada, "Is anybody there?");
      await type(ada, "Hello?");
      await shows(ada, "Hello?");
      assertEquals(await ada.locator(".pending .text").allTextContents(), [
        "Is anybody there?",
        "Hello?",
      ]);
      await using _again = await ChatServer.start(...options, ...server.place);
      await connected(ada);
      await connected(bob);
      const all = [markup, long, "Is anybody there?", "Hello?"];
      assertEquals(await messages(bob, "Hello?"), all);
      assertEquals(await messages(ada, "Hello?"), all);
      await people(ada, "Ada", "Bob");
      await people(bob, "Ada", "Bob");
      // that both were away is nothing to tell
      assertEquals(await ada.locator(".notice").allTextContents(), ["Bob has joined"]);
      assertEquals(await bob.locator(".notice").allTextContents(), []);

      await bob.context().close();
      await shows(ada, "Bob has left");
      await people(ada, "Ada");
    },
  });
}

Deno.test({
  ...needsChromium("chat: names are one's own, a reload keeps them, and a second tab takes over"),
  async fn() {
    await using browser = await launch();
    await using server = await ChatServer.start();
    const ada = await enter(browser, server.url, "Ada");
    const eve = await open(browser, server.url);
    await join(eve, "ADA");
    await shows(eve, "Somebody here is called Ada already");
    await join(eve, "Eve");
    await connected(eve);
    await eve.reload();
    await connected(eve);
    await people(eve, "Ada", "Eve");
    // what a browser does when a tab is duplicated
    const storage = await eve.evaluate("({ ...sessionStorage })") as Record<string, string>;
    const twin = await eve.context().newPage();
    await twin.addInitScript(`Object.assign(sessionStorage, ${JSON.stringify(storage)})`);
    await twin.goto(server.url);
    await connected(twin);
    await shows(eve, "You are here in another tab");
    await eve.getByRole("button", { name: "Come back here" }).click();
    await connected(eve);
    await shows(twin, "You are here in another tab");
    await twin.close();
    await eve.getByRole("button", { name: "Leave" }).click();
    await people(ada, "Ada");
    await join(eve, "Eva");
    await people(ada, "Ada", "Eva");
  },
});

Deno.test({
  ...needsChromium(
    "chat: a page of another origin is refused with 403, and the chat's own says so",
  ),
  async fn() {
    await using browser = await launch();
    await using server = await ChatServer.start();
    await using proxy = forward(server.url);
    const page = await open(browser, proxy.url);
    const refused = page.waitForEvent("console", (line) => line.text().includes("403"));
    await join(page, "Eve");
    await refused;
    await page.getByRole("alert").filter({ hasText: "refuses a connection from this address" })
      .waitFor();

    // it is the origin that is refused, and --origin mends it
    await server.stop();
    const { origin } = new URL(proxy.url);
    await using _again = await ChatServer.start("--origin", origin, ...server.place);
    await connected(page);
  },
});

/** A proxy as many are set up: it tells the server the server's own address as Host, so that it differs from Origin. */
function forward(target: string): { url: string } & AsyncDisposable {
  const { hostname, port, host } = new URL(target);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const here = `127.0.0.1:${listener.addr.port}`;
  const open = new Set<Promise<void>>();
  const serve = async (conn: Deno.TcpConn) => {
    let upstream: Deno.TcpConn | undefined;
    try {
      const buffer = new Uint8Array(16384);
      const length = await conn.read(buffer) ?? 0; // the whole head: a browser sends it at once
      const head = new TextDecoder().decode(buffer.subarray(0, length));
      upstream = await Deno.connect({ hostname, port: Number(port) });
      const changed = head.replace(`Host: ${here}`, `Host: ${host}`);
      await upstream.write(new TextEncoder().encode(changed));
    } catch {
      conn.close(); // one of them is not there
      return upstream?.close();
    }
    await Promise.allSettled([
      conn.readable.pipeTo(upstream.writable),
      upstream.readable.pipeTo(conn.writable),
    ]);
  };
  const accepting = (async () => {
    for await (const conn of listener) {
      const served = serve(conn).finally(() => open.delete(served));
      open.add(served);
    }
  })();
  return {
    url: `http://${here}/`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.allSettled(open);
    },
  };
}
