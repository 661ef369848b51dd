import { assertEquals } from "@std/assert";
import { example, runDeno } from "../helpers/program.ts";

Deno.test("client_proxy: with the password through the proxy, without it not", async () => {
  const printed = await runDeno(["run", "--allow-net", example("client_proxy.ts")]);
  const refusal = "The proxy refused the connection: 407 Proxy Authentication Required";
  assertEquals(printed, `You said hello\n407 ${refusal}\n`);
});
