/**
 * Thousands of connections at once, for minutes, with messages of all kinds and ends of all kinds: nothing may be lost,
 * moved, doubled or damaged, no error may come that was not provoked, the memory must not grow, and nothing may be left.
 * The server is this process, the clients are another. Exits with 1 on any failure.
 *
 *     deno task soak [--connections 5000] [--seconds 300] [--seed 1]
 */
import { TextLineStream } from "@std/streams";
import { type WsConn, WsConnectionClosed, WsConnectionLost, wsServe } from "../mod.ts";
import { growth, mib, type Report, type Sample, sample, Tally } from "./soak/report.ts";
import { isAbrupt, type Plan, planOf, Traffic } from "./soak/traffic.ts";
import { receive, send, SERVER } from "./soak/ways.ts";

function option(name: string, standard: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  const value = at === -1 ? standard : Number(Deno.args[at + 1]);
  if (!(value > 0)) throw new RangeError(`--${name} must be a number: current value is ${value}`);
  return value;
}

const connections = option("connections", 5000);
const seconds = option("seconds", 300);
const seed = option("seed", 1);
/** How long the last connections and the process itself may take to end, in seconds. */
const PATIENCE = 90;

const tally = new Tally();

/** The server's end of one connection, which knows what must come (traffic.ts). */
async function serve(conn: WsConn): Promise<void> {
  const id = Number(conn.line.split(" ")[1]!.slice(1));
  const plan = planOf(seed, id);
  const traffic = new Traffic(seed, id);
  try {
    await echo(conn, plan, traffic);
    await end(conn, plan, traffic);
  } catch (error) {
    if (isAbrupt(plan.ending) && error instanceof WsConnectionLost) tally.end("lost");
    else tally.fail(new Error(`Connection ${id}, to end with ${plan.ending}`, { cause: error }));
  }
}

/** Sends back what comes, until the client closes or the server has to. */
async function echo(conn: WsConn, plan: Plan, traffic: Traffic): Promise<void> {
  const { random } = plan;
  for (let message; (message = await receive(conn, random)) !== null;) {
    traffic.take(message);
    tally.messages++;
    tally.bytes += message.length;
    if (random(40) === 0) ping(conn);
    try {
      await send(conn, message, random);
    } catch (error) {
      // the client has closed or gone; what it sent before is still to be received
      if (!(error instanceof WsConnectionClosed)) throw error;
    }
    if (plan.ending === "server-close" && traffic.count === plan.messages) return;
  }
}

function ping(conn: WsConn): void {
  conn.ping().then(() => tally.pings++, (error) => {
    if (!(error instanceof WsConnectionClosed)) tally.fail(error);
  });
}

async function end(conn: WsConn, plan: Plan, traffic: Traffic): Promise<void> {
  const closing = plan.ending === "server-close" && traffic.count === plan.messages;
  const { code, reason, wasClean } = closing
    ? await conn.close(plan.code, `${traffic.count}`)
    : await conn.finished;
  const seen = `${code} "${reason}" ${wasClean}`;
  const due = `${plan.code} "${traffic.count}" true`;
  if (seen !== due) throw new Error(`The end is ${seen}, due is ${due}`);
  tally.end(closing ? "server-close" : "close");
}

/** Both ends of a connection are a descriptor, each in its process. */
async function assertDescriptors(): Promise<void> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", "ulimit -n"] }).output();
  const limit = new TextDecoder().decode(stdout).trim();
  const needed = connections + 200;
  if (Number(limit) < needed) {
    throw new RangeError(
      `Cannot hold ${connections} connections: "ulimit -n" is ${limit}, it takes ${needed}`,
    );
  }
}

const server = wsServe(serve, {
  ...SERVER,
  hostname: "127.0.0.1",
  port: 0,
  onError: (error) => tally.fail(error),
});
const began = performance.now();
const elapsed = () => (performance.now() - began) / 1000;

/** Both processes as they are now. */
function state(clients: Report): string {
  const { messages, bytes, pings, ended } = tally;
  const ends = Object.values(ended).reduce((sum, count) => sum + count, 0);
  const memory = ({ rss, heap }: Sample) => `${mib(rss)}, heap ${mib(heap)}`;
  return `${elapsed().toFixed(0).padStart(4)} s  ${server.connections.size} open, ${ends} ended, ` +
    `${messages} messages of ${mib(bytes)} echoed, ${pings + clients.tally.pings} pings; ` +
    `server ${memory(sample())}; clients ${memory(clients)}`;
}

/** Runs the clients to their end; returns what went wrong with them. */
async function runClients(): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      new URL("soak/clients.ts", import.meta.url).pathname,
      ...[(server.addr as Deno.NetAddr).port, connections, seconds, seed].map(String),
    ],
    stdout: "piped",
  }).spawn();
  const late = setTimeout(() => child.kill("SIGKILL"), (seconds + PATIENCE) * 1000);
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  const samples: Record<"server" | "clients", Sample[]> = { server: [], clients: [] };
  let clients: Report | undefined;
  let printed = 0, most = 0;
  for await (const line of lines) {
    clients = JSON.parse(line) as Report;
    most = Math.max(most, clients.tally.open);
    if (elapsed() < seconds) {
      samples.server.push(sample());
      samples.clients.push(clients);
    }
    if (elapsed() - printed < Math.min(5, seconds / 4)) continue;
    printed = elapsed();
    console.log(state(clients));
  }
  const { code } = await child.status;
  clearTimeout(late);
  if (clients === undefined) return ["The clients said nothing"];
  const { open, ended, failed, failures } = clients.tally;
  console.log(state(clients));
  console.log(`ended at the clients: ${JSON.stringify(ended)}`);
  console.log(`ended at the server:  ${JSON.stringify(tally.ended)}`);
  const wrong = growth(samples.server).map((what) => `At the server, ${what}`);
  wrong.push(...growth(samples.clients).map((what) => `At the clients, ${what}`));
  if (failed > 0) wrong.push(`${failed} failures at the clients, such as`, ...failures);
  if (code !== 0 || open > 0) {
    wrong.push(`The clients have not ended by themselves: code ${code}, ${open} connections open`);
  }
  // some are always about to open or to end
  if (most < 0.9 * connections) wrong.push(`No more than ${most} connections were open at once`);
  return wrong;
}

/** Waits until the server, too, has no connection; returns what is left of them. */
async function awaitNone(): Promise<string[]> {
  const end = performance.now() + PATIENCE * 1000;
  while (server.connections.size > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const left = Array.from(server.connections, (conn) => conn.line);
  return left.length === 0 ? [] : [`${left.length} connections are left at the server: ${left}`];
}

await assertDescriptors();
console.log(`${connections} connections for ${seconds} s, seed ${seed}, on ${server.url}`);
const wrong = [...await runClients(), ...await awaitNone()];
if (tally.failed > 0) {
  wrong.push(`${tally.failed} failures at the server, such as`, ...tally.failures);
}
await server.shutdown();
console.log(wrong.length === 0 ? "ok: nothing lost, nothing left" : wrong.join("\n"));
Deno.exitCode = wrong.length === 0 ? 0 : 1;
// runs only if something is left that keeps the process from ending by itself
Deno.unrefTimer(setTimeout(() => {
  console.log("The server has not ended by itself");
  Deno.exit(1);
}, PATIENCE * 1000));
