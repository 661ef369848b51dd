/** A server that says which process it is: `shared_port.ts PORT REUSE [tls]`, where REUSE is "shared" or "alone". */
import { wsServe } from "../../mod.ts";
import { certs } from "./certs.ts";

const [port, reuse, tls] = Deno.args;
wsServe(async (conn) => {
  await conn.send(String(Deno.pid));
  for await (const message of conn) await conn.send(message);
}, {
  hostname: "127.0.0.1",
  port: Number(port),
  reusePort: reuse === "shared",
  ...(tls === undefined ? {} : certs.server),
  onListen: (addr) => console.log((addr as Deno.NetAddr).port),
});
