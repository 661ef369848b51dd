/** The script that uses the command line, with the working tree's. */
import { assertEquals, assertStringIncludes } from "@std/assert";

const root = new URL("../../", import.meta.url);

Deno.test({
  name: "command_line.sh: a server, an answer, JSON, a measurement" +
    (Deno.build.os === "windows" ? " (ignored: no sh on Windows)" : ""),
  ignore: Deno.build.os === "windows",
  async fn() {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["examples/command_line.sh"],
      cwd: root,
      env: { WS: `${Deno.execPath()} run -N cli.ts`, NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, text + new TextDecoder().decode(stderr));
    assertStringIncludes(text, "The answer to hi is hi\n");
    for (const word of ["one", "two"]) assertStringIncludes(text, `"text":"${word}"`);
    assertStringIncludes(text, "a second");
    assertStringIncludes(text, "exit code 1\n");
  },
});
