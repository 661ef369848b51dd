/** A server that is traced and observed, until its standard input ends. Prints its address. */
import { trace } from "npm:@opentelemetry/api@1.9.1";
import { wsServe } from "../../mod.ts";
import { observe, traced } from "../../telemetry.ts";

const tracer = trace.getTracer("application");

const server = wsServe(
  traced(async (conn) => {
    trace.getActiveSpan()?.setAttribute("room", 42);
    for await (const message of conn) {
      if (message === "throw") throw new RangeError("Too much");
      await tracer.startActiveSpan("answer", async (span) => {
        await conn.send(message);
        span.end();
      });
    }
  }, { name: "chat", attributes: { "url.scheme": "ws" } }),
  { hostname: "127.0.0.1", port: 0, onError: () => {} },
);
const observing = observe(server, { attributes: { tier: "test" } });
console.log(server.url);
await Deno.stdin.read(new Uint8Array(1));
await server.shutdown();
observing[Symbol.dispose]();
