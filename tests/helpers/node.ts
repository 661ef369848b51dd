/** Peers that run on Node. */
import { Program } from "./program.ts";

/** Whether a program is there, and ends well with these arguments. */
export async function runs(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args }).output()).success;
  } catch {
    return false; // thrown at once, if there is no such program
  }
}

const found = await runs("node", "--version");

/** For `Deno.test`: whether to leave a test out because there is no Node, which its name then says. */
export function needsNode(name: string): { name: string; ignore: boolean } {
  return { name: found ? name : `${name} (ignored: no node on this machine)`, ignore: !found };
}

/** Runs a script of `tests/peers/` on Node to its end; throws what it printed if it failed. */
export async function runNode(script: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("node", {
    args: [pathOf(script), ...args],
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Starts a script that serves and prints its port first, on Node or on Deno; ends it when disposed. */
export async function servePeer(
  runtime: "node" | "deno",
  script: string,
  ...args: string[]
): Promise<{ port: number } & AsyncDisposable> {
  const onNode = runtime === "node";
  const command = [...(onNode ? [] : ["run", "-A"]), pathOf(script)];
  const program = new Program(onNode ? "node" : Deno.execPath(), [...command, ...args]);
  const [port] = await program.line(/^\d+$/);
  return {
    port: Number(port),
    async [Symbol.asyncDispose]() {
      await program.end("SIGKILL");
    },
  };
}

function pathOf(script: string): string {
  return new URL(`../peers/${script}`, import.meta.url).pathname;
}
