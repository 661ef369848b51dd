/** The client through somebody else's proxy: Debian's tinyproxy. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wsConnect, WsHandshakeError, wsServe } from "../../mod.ts";
import { certs } from "../helpers/certs.ts";
import { runs } from "../helpers/node.ts";
import { Program } from "../helpers/program.ts";
import { LOCAL } from "../helpers/sockets.ts";

const found = await runs("tinyproxy", "-v");
const why = found ? "" : " (ignored: no tinyproxy on this machine)";

/** Starts one that lets in "ada" with the password "secret", and tunnels to these ports alone. */
async function startProxy(...ports: number[]): Promise<{ port: number } & AsyncDisposable> {
  const config = await Deno.makeTempFile();
  for (let tries = 0; tries < 10; tries++) {
    const listener = Deno.listen(LOCAL); // it takes no port 0: one that was free just now
    const { port } = listener.addr;
    listener.close();
    await Deno.writeTextFile(
      config,
      [
        `Port ${port}`,
        "Listen 127.0.0.1",
        "Timeout 60",
        "LogLevel Info",
        "BasicAuth ada secret",
        ...ports.map((port) => `ConnectPort ${port}`),
      ].join("\n") + "\n",
    );
    const program = new Program("tinyproxy", ["-d", "-c", config], { stderr: "null" });
    try {
      await program.line(/Accepting connections/);
    } catch {
      await program[Symbol.asyncDispose]();
      continue; // somebody else has the port by now
    }
    await Deno.remove(config);
    return { port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
  }
  throw new Error("tinyproxy does not start");
}

Deno.test({
  name: `tinyproxy: ws and wss go through it, and its refusals are told from the server's${why}`,
  ignore: !found,
  async fn() {
    for (const tls of [{}, certs.server]) {
      await using server = wsServe(async (conn) => {
        for await (const message of conn) await conn.send(message);
      }, { ...LOCAL, ...tls });
      await using proxy = await startProxy((server.addr as Deno.NetAddr).port);
      const at = `127.0.0.1:${proxy.port}`;
      const options = { proxy: `http://ada:secret@${at}`, caCerts: [certs.ca] };

      const conn = await wsConnect(server.url, options);
      const messages = ["hello", new Uint8Array(1 << 20).map((_, at) => at), "bye"];
      for (const message of messages) {
        await conn.send(message);
        assertEquals(await conn.recv(), message);
      }
      assertEquals(await conn.close(), { code: 1000, reason: "", wasClean: true });

      for (
        const [url, proxy, status] of [
          [server.url, `http://${at}`, 407],
          [server.url, `http://ada:wrong@${at}`, 401], // what tinyproxy says of a wrong password
          ["ws://127.0.0.1:1/", options.proxy, 403], // not a port that it tunnels to
        ] as const
      ) {
        const error = await assertRejects(
          () => wsConnect(url, { ...options, proxy }),
          WsHandshakeError,
          "The proxy refused the connection",
        );
        assertEquals(error.status, status);
        assert(error.body.length > 0);
      }
    }
  },
});
