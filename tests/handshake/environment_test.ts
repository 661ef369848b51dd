import { assertEquals, assertRejects } from "@std/assert";
import { environmentProxy } from "../../handshake/environment.ts";

/** The proxy that these variables give for a URL, without the slash at its end. */
async function proxyOf(
  url: string,
  variables: Record<string, string>,
): Promise<string | undefined> {
  const proxy = await environmentProxy(new URL(url), (name) => variables[name]);
  return proxy?.href.replace(/\/$/, "");
}

const A = "http://a:3128", B = "http://b:8080";

Deno.test("which variable counts", async () => {
  for (
    const [url, variables, proxy] of [
      ["ws://x.com/", {}, undefined],
      ["ws://x.com/", { http_proxy: A, https_proxy: B }, A],
      ["wss://x.com/", { http_proxy: A, https_proxy: B }, B],
      ["ws://x.com/", { HTTP_PROXY: A }, A],
      ["wss://x.com/", { HTTPS_PROXY: A }, A],
      ["wss://x.com/", { https_proxy: A, HTTPS_PROXY: B }, A],
      ["wss://x.com/", { https_proxy: "", HTTPS_PROXY: B }, B],
      ["wss://x.com/", { https_proxy: " ", HTTPS_PROXY: "" }, undefined],
      ["ws://x.com/", { HTTPS_PROXY: A }, undefined],
      ["wss://x.com/", { HTTP_PROXY: A }, undefined],
      ["ws://x.com/", { all_proxy: A }, A],
      ["wss://x.com/", { ALL_PROXY: A }, A],
      ["wss://x.com/", { ALL_PROXY: A, HTTPS_PROXY: B }, B],
      // httpoxy: in a CGI program, HTTP_PROXY is what a client has sent
      ["ws://x.com/", { HTTP_PROXY: A, REQUEST_METHOD: "GET" }, undefined],
      ["ws://x.com/", { HTTP_PROXY: A, http_proxy: B, REQUEST_METHOD: "GET" }, B],
      ["ws://x.com/", { HTTP_PROXY: A, ALL_PROXY: B, REQUEST_METHOD: "GET" }, B],
      ["wss://x.com/", { HTTPS_PROXY: A, REQUEST_METHOD: "GET" }, A],
    ] as [string, Record<string, string>, string | undefined][]
  ) {
    assertEquals(await proxyOf(url, variables), proxy, `${url} ${JSON.stringify(variables)}`);
  }
});

Deno.test("how a proxy is written", async () => {
  for (
    const [value, proxy] of [
      ["http://p", "http://p"],
      ["HTTP://P:80", "http://p"],
      ["https://p:443/", "https://p"],
      ["p", "http://p"],
      ["p:3128", "http://p:3128"],
      ["1.2.3.4:3128", "http://1.2.3.4:3128"],
      ["[::1]:3128", "http://[::1]:3128"],
      ["us:pw@p:3128", "http://us:pw@p:3128"],
      [" http://p ", "http://p"],
    ] as const
  ) {
    assertEquals(await proxyOf("wss://x.com/", { https_proxy: value }), proxy, value);
  }
});

Deno.test("what is no HTTP proxy is an error that names the variable, and does not show its value", async () => {
  for (
    const [value, message] of [
      ["socks5://us:secret@p", "its scheme must be http: or https:, current value is socks5:"],
      ["ws://us:secret@p", "its scheme must be http: or https:, current value is ws:"],
      ["http://us:secret@", "it is not a URL"],
      ["http://us:secret@p:99999", "it is not a URL"],
      ["us:secret@p p", "it is not a URL"],
    ] as const
  ) {
    const error = await assertRejects(
      () => proxyOf("wss://x.com/", { ALL_PROXY: value }),
      SyntaxError,
      `the environment variable ALL_PROXY: ${message}`,
    );
    assertEquals(error.message.includes("secret"), false);
    // one that is not used does no harm
    assertEquals(await proxyOf("wss://x.com/", { all_proxy: value, https_proxy: A }), A);
    assertEquals(await proxyOf("wss://x.com/", { all_proxy: value, no_proxy: "x.com" }), undefined);
  }
});

Deno.test("this machine is never reached through the environment's proxy", async () => {
  for (
    const [host, isLocal] of [
      ["localhost", true],
      ["LOCALHOST", true],
      ["localhost.", true],
      ["app.localhost", true],
      ["127.0.0.1", true],
      ["127.1.2.3", true],
      ["0x7f.1", true],
      ["[::1]", true],
      ["[0:0:0:0:0:0:0:1]", true],
      ["notlocalhost", false],
      ["localhost.com", false],
      ["127.0.0.1.com", false],
      ["128.0.0.1", false],
      ["[::2]", false],
    ] as const
  ) {
    assertEquals(await proxyOf(`ws://${host}/`, { all_proxy: A }), isLocal ? undefined : A, host);
  }
});

Deno.test("no_proxy", async () => {
  for (
    const [noProxy, url, isException] of [
      ["", "ws://x.com/", false],
      ["*", "ws://x.com/", true],
      ["*", "ws://1.2.3.4/", true],
      ["a.com, *", "ws://x.com/", true],
      // names
      ["x.com", "ws://x.com/", true],
      ["X.COM", "ws://x.com/", true],
      ["x.com", "ws://X.com/", true],
      ["x.com", "ws://x.com./", true],
      ["x.com.", "ws://x.com/", true],
      ["x.com", "ws://www.x.com/", true],
      [".x.com", "ws://www.x.com/", true],
      [".x.com", "ws://x.com/", true],
      ["*.x.com", "ws://a.b.x.com/", true],
      ["x.com", "ws://notx.com/", false],
      [".x.com", "ws://notx.com/", false],
      ["www.x.com", "ws://x.com/", false],
      ["x.com", "ws://x.com.org/", false],
      ["com", "ws://x.com/", true],
      [".", "ws://x.com/", false],
      ["*.", "ws://x.com/", false],
      // lists
      ["a.com,x.com", "ws://x.com/", true],
      ["a.com x.com", "ws://x.com/", true],
      [" a.com ,, x.com ,", "ws://x.com/", true],
      ["a.com,b.com", "ws://x.com/", false],
      // ports
      ["x.com:8080", "ws://x.com:8080/", true],
      ["x.com:8080", "ws://x.com/", false],
      ["x.com:80", "ws://x.com/", true],
      ["x.com:443", "ws://x.com/", false],
      ["x.com:443", "wss://x.com/", true],
      ["x.com:0443", "wss://x.com/", false],
      ["x.com:", "ws://x.com/", false],
      [":80", "ws://x.com/", false],
      // addresses
      ["1.2.3.4", "ws://1.2.3.4/", true],
      ["1.2.3.4", "ws://0x1020304/", true],
      ["1.2.3.4", "ws://1.2.3.5/", false],
      ["2.3.4", "ws://1.2.3.4/", false],
      [".2.3.4", "ws://1.2.3.4/", false],
      ["1.2.3.4:80", "ws://1.2.3.4/", true],
      ["1.2.3.4:81", "ws://1.2.3.4/", false],
      ["fd00::1", "ws://[fd00::1]/", true],
      ["[fd00::1]", "ws://[fd00::1]/", true],
      ["FD00:0:0::1", "ws://[fd00::1]/", true],
      ["[fd00::1]:80", "ws://[fd00::1]/", true],
      ["[fd00::1]:81", "ws://[fd00::1]/", false],
      ["fd00::1", "ws://[fd00::2]/", false],
      // networks
      ["10.0.0.0/8", "ws://10.2.3.4/", true],
      ["10.9.9.9/8", "ws://10.2.3.4/", true],
      ["10.0.0.0/8", "ws://11.2.3.4/", false],
      ["10.0.0.0/8", "ws://ten.com/", false],
      ["192.168.3.0/25", "ws://192.168.3.127/", true],
      ["192.168.3.0/25", "ws://192.168.3.128/", false],
      ["0.0.0.0/0", "ws://1.2.3.4/", true],
      ["0.0.0.0/0", "ws://[fd00::1]/", false],
      ["fd00::/8", "ws://[fdab::1]/", true],
      ["fd00::/8", "ws://[fe00::1]/", false],
      // what is malformed is no exception, nor an error
      ["10.0.0.0/33", "ws://10.0.0.0/", false],
      ["10.0.0.0/-1", "ws://10.0.0.0/", false],
      ["10.0.0.0/", "ws://10.0.0.0/", false],
      ["10.0.0.0/8/8", "ws://10.0.0.0/", false],
      ["10.0.0/8", "ws://10.0.0.0/", false],
      ["fd00::/129", "ws://[fd00::1]/", false],
      ["[fd00::1", "ws://[fd00::1]/", false],
      ["10.0.0.*", "ws://10.0.0.1/", false],
      ["fe80::1%lo", "ws://[fe80::1]/", false],
    ] as const
  ) {
    const proxy = await proxyOf(url, { all_proxy: A, no_proxy: noProxy });
    assertEquals(proxy, isException ? undefined : A, `no_proxy=${noProxy} ${url}`);
  }
  assertEquals(await proxyOf("ws://x.com/", { all_proxy: A, NO_PROXY: "x.com" }), undefined);
  assertEquals(await proxyOf("ws://x.com/", { all_proxy: A, NO_PROXY: "x.com", no_proxy: "y" }), A);
});
