/** nginx and HAProxy with the files of examples/reverse_proxy/, in which only what a user would change is changed. */
import { assertEquals } from "@std/assert";
import { runs } from "./node.ts";
import { Program } from "./program.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;

/** What a user changes. */
export interface ProxySettings {
  /** The ports of the two servers behind it; one port stands for both. */
  servers: readonly [number, number?];
  /** How long a connection may be idle. Default: that of the file. */
  idle?: string;
}

/** A proxy that serves `wss:` on a port of its own, until it is disposed. */
export interface RunningProxy extends AsyncDisposable {
  readonly port: number;
  /** Has new processes take over, with other settings. */
  reload(settings: ProxySettings): Promise<void>;
}

/** A program that this machine may have. */
export interface ProxyKind {
  name: string;
  found: boolean;
  /** What it answers if no server does. */
  nobody: number;
  start(settings: ProxySettings): Promise<RunningProxy>;
}

/** Debian puts them where only the administrator looks. */
async function find(name: string): Promise<string | undefined> {
  for (const program of [name, `/usr/sbin/${name}`]) {
    if (await runs(program, "-v")) return program;
  }
  return undefined;
}

const nginx = await find("nginx");
const haproxy = await find("haproxy");

export const PROXIES: readonly ProxyKind[] = [
  { name: "nginx", found: nginx !== undefined, nobody: 502, start: startNginx },
  { name: "HAProxy", found: haproxy !== undefined, nobody: 503, start: startHaproxy },
];

async function startNginx(settings: ProxySettings): Promise<RunningProxy> {
  const folder = await Deno.makeTempDir();
  const example = await Deno.readTextFile(`${EXAMPLES}reverse_proxy/nginx.conf`);
  await Deno.mkdir(`${folder}/reverse_proxy`);
  await Deno.symlink(`${EXAMPLES}certs`, `${folder}/certs`);
  const args = ["-p", `${folder}/reverse_proxy/`, "-c", "nginx.conf"];

  const configure = async (port: number, { servers, idle = "60s" }: ProxySettings) => {
    const changes = [
      ["8443", `${port}`],
      ["127.0.0.1:8001", `127.0.0.1:${servers[0]}`],
      ["127.0.0.1:8002", `127.0.0.1:${servers[1] ?? servers[0]}`],
      ["proxy_read_timeout 60s", `proxy_read_timeout ${idle}`],
    ] as const;
    const commands = example.indexOf("worker_processes"); // behind the comment, which names the same ports
    let text = example.slice(commands);
    for (const [from, to] of changes) {
      assertEquals(text.split(from).length, 2, `"${from}" does not stand once in nginx.conf`);
      text = text.replace(from, to);
    }
    await Deno.writeTextFile(`${folder}/reverse_proxy/nginx.conf`, text);
  };

  const { program, port } = await launch(async (port) => {
    await configure(port, settings);
    return new Program(nginx!, [...args, "-g", "daemon off;"], { stderr: "piped" });
  });
  return {
    port,
    async reload(settings) {
      await configure(port, settings);
      const { success, stderr } = await new Deno.Command(nginx!, {
        args: [...args, "-s", "reload"],
      })
        .output();
      assertEquals(success, true, new TextDecoder().decode(stderr));
    },
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function startHaproxy(settings: ProxySettings): Promise<RunningProxy> {
  const folder = await Deno.makeTempDir();
  const certificate = `${folder}/both.pem`;
  for (const name of ["localhost.pem", "localhost.key.pem"]) {
    const bytes = await Deno.readFile(`${EXAMPLES}certs/${name}`);
    await Deno.writeFile(certificate, bytes, { append: true });
  }

  const run = (port: number, { servers, idle }: ProxySettings, ...more: string[]) =>
    new Program(haproxy!, ["-db", "-f", `${EXAMPLES}reverse_proxy/haproxy.cfg`, ...more], {
      env: {
        LISTEN: `:${port}`,
        CERTIFICATE: certificate,
        CONNECTIONS: "100", // as few descriptors as any machine has
        SERVER_1: `127.0.0.1:${servers[0]}`,
        SERVER_2: `127.0.0.1:${servers[1] ?? servers[0]}`,
        ...(idle === undefined ? {} : { IDLE: idle }),
      },
      stderr: "piped",
    });

  const { program, port } = await launch((port) => Promise.resolve(run(port, settings)));
  const processes = [program];
  return {
    port,
    reload(settings) {
      processes.push(run(port, settings, "-sf", String(processes.at(-1)!.pid)));
      return Promise.resolve();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map((program) => program[Symbol.asyncDispose]()));
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Runs a program on a free port, which it cannot look for itself, and waits until it listens there. */
async function launch(
  run: (port: number) => Promise<Program>,
): Promise<{ program: Program; port: number }> {
  for (let tries = 3;; tries--) {
    const port = freePort();
    const program = await run(port);
    if (await listens(program, port)) return { program, port };
    await program[Symbol.asyncDispose]();
    // somebody else may have taken the port meanwhile
    if (tries === 1) throw new Error(`It does not listen:\n${program.printed}`);
  }
}

function freePort(): number {
  using listener = Deno.listen({ port: 0 });
  return listener.addr.port;
}

/** Waits until a program listens; `false` if it ends before. */
async function listens(program: Program, port: number): Promise<boolean> {
  let ended = false;
  void program.status.then(() => ended = true);
  while (!ended) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20)); // nothing tells
    }
  }
  return false;
}
