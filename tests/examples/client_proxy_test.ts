import { assertEquals } from "@std/assert";

Deno.test("client_proxy: with the password through the proxy, without it not", async () => {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-net",
      new URL("../../examples/client_proxy.ts", import.meta.url).pathname,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const refusal = "The proxy refused the connection: 407 Proxy Authentication Required";
  assertEquals(
    new TextDecoder().decode(stdout),
    `You said hello\n407 ${refusal}\n`,
    new TextDecoder().decode(stderr),
  );
});
