/**
 * Runs a Deno command that needs packages of JSR: `deno run -A tools/launch.ts test -A tests/`. Where JSR answers, or
 * `JSR_URL` says where it is, the command is left alone; otherwise JSR is a folder made on the spot (registry.ts).
 */
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { buildRegistry } from "./registry.ts";

const root = new URL("../", import.meta.url);
/** Not inside the project, where `deno publish` would take it for a part of the package. */
const registry = pathToFileURL(
  `${tmpdir()}/wsconn-jsr-${createHash("sha1").update(root.href).digest("hex")}/`,
);

async function jsrAnswers(): Promise<boolean> {
  try {
    const response = await fetch("https://jsr.io/@std/bytes/meta.json", {
      signal: AbortSignal.timeout(3000),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

const env: Record<string, string> = {};
if (Deno.env.get("JSR_URL") === undefined && !await jsrAnswers()) {
  env["JSR_URL"] = await buildRegistry(root, registry);
  console.error("JSR does not answer: using this project's stand-ins for @std (tools/std/)");
}

const child = new Deno.Command(Deno.execPath(), { args: Deno.args, env }).spawn();
// Ctrl-C reaches the child too: it decides how to end. Other signals are passed on.
Deno.addSignalListener("SIGINT", () => {});
Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
Deno.exit((await child.status).code);
