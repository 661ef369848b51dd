/** Programs for tests, in processes of their own. */
import { assert } from "@std/assert";

/** Runs Deno to its end, which must be a good one; returns what it prints. */
export async function runDeno(args: string[], options: Deno.CommandOptions = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, ...options })
    .output();
  const text = new TextDecoder().decode(stdout);
  assert(success, text + new TextDecoder().decode(stderr));
  return text;
}
