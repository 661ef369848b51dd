/**
 * An echo server with OpenTelemetry: each connection is a span, each answer a span in it, and what the server has done is
 * exported as metrics, wherever the environment says:
 *
 *     OTEL_DENO=true OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 \
 *       deno run --allow-net examples/telemetry.ts [--port 8080]
 */
import { trace } from "npm:@opentelemetry/api@1.9.1";
import { wsServe } from "jsr:@wsconn/ws@^0.1";
import { observe, traced } from "jsr:@wsconn/ws@^0.1/telemetry";

const flag = Deno.args.indexOf("--port");
const port = flag === -1 ? 8080 : Number(Deno.args[flag + 1]);

const tracer = trace.getTracer("echo");

const server = wsServe(
  traced(async (conn) => {
    for await (const message of conn) {
      await tracer.startActiveSpan("answer", async (span) => {
        await conn.send(message);
        span.end();
      });
    }
  }, { name: "echo" }),
  { port },
);
const observing = observe(server);
console.log(server.url);

/** Ends what keeps the program running, rather than the program: what was measured last shall be exported. */
async function end(): Promise<void> {
  Deno.removeSignalListener("SIGINT", end);
  await server.shutdown();
  observing[Symbol.dispose]();
}
Deno.addSignalListener("SIGINT", end);
