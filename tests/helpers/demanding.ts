/** A TLS server that demands a client certificate, which Deno's own cannot. */
import { once } from "node:events";
import { createServer } from "node:tls";
import { closeNow, writeAll } from "../../transport.ts";
import { certs } from "./certs.ts";

/** A server that lets in only who shows a certificate of the test CA, and passes its bytes on to `target`, in plain. */
export async function demandingServer(target: string): Promise<{ url: string } & AsyncDisposable> {
  const { port } = new URL(target);
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer({
    ...certs.server,
    ca: [certs.ca],
    requestCert: true,
    rejectUnauthorized: true,
  }, async (socket) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => closeNow(conn));
    socket.on("data", (bytes: Uint8Array) => {
      writeAll(conn, bytes).catch(() => socket.destroy());
    });
    for await (const bytes of conn.readable) socket.write(bytes);
    socket.end();
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `wss://127.0.0.1:${(server.address() as { port: number }).port}/`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
