/**
 * The load generator, in a process of its own: `load.ts JOB`, a `Job` as JSON. It writes frames made in advance on plain
 * TCP or TLS, so that it has less to do for a message than any server. Prints a `Result`, and waits to be ended.
 */
import type { Job, Result } from "./job.ts";

const job: Job = JSON.parse(Deno.args[0]!);
const modes: Record<Job["mode"], () => Promise<Result>> = {
  echo: async () => (await import("./load/echo.ts")).echo(job),
  broadcast: async () => (await import("./load/echo.ts")).broadcast(job),
  sink: async () => (await import("./load/one_way.ts")).sink(job),
  source: async () => (await import("./load/one_way.ts")).source(job),
  idle: async () => (await import("./load/idle.ts")).idle(job),
  deflate: async () => (await import("./load/deflate.ts")).deflate(job),
};
console.log(JSON.stringify(await modes[job.mode]()));
setInterval(() => {}, 60_000); // whoever reads the line ends both sides, the server first
