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
observe(server);
console.log(server.url);

Deno.addSignalListener("SIGINT", async () => {
  await server.shutdown(); // the spans of all connections end
  Deno.exit();
});
