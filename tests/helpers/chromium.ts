/** Chromium, for tests: whether there is one, and where. */
import { runs } from "./node.ts";

/** Debian's, and what others call it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

async function findChromium(): Promise<string | undefined> {
  const folders = (Deno.env.get("PATH") ?? "").split(Deno.build.os === "windows" ? ";" : ":");
  for (const path of NAMES.flatMap((name) => folders.map((folder) => `${folder}/${name}`))) {
    if (await runs(path, "--version")) return path;
  }
  return undefined;
}

/** The path of the program, `undefined` if there is none. */
export const chromium: string | undefined = await findChromium();

/** For `Deno.test`: whether to leave a test out because there is no Chromium, which its name then says. */
export function needsChromium(name: string): { name: string; ignore: boolean } {
  const why = " (ignored: no chromium on this machine)";
  return { name: chromium ? name : name + why, ignore: chromium === undefined };
}
