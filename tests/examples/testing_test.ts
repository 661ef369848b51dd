/** The example of tests in memory: it is a test file itself. */
import { assertMatch } from "@std/assert";
import { example, runDeno } from "../helpers/program.ts";

Deno.test("handler_test.ts: its own tests pass, without any permission", async () => {
  const text = await runDeno(["test", "--no-prompt", example("handler_test.ts")], {
    env: { NO_COLOR: "1" },
  });
  assertMatch(text, /ok \| 2 passed \| 0 failed/);
});
