/** Connects with just the permissions it is run with, `connect.ts URL OPTIONS`, and prints what comes, or why nothing does. */
import { wsConnect } from "../../mod.ts";

const [url = "", options = "{}"] = Deno.args;
try {
  await using conn = await wsConnect(url, JSON.parse(options));
  console.log(await conn.recv());
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
