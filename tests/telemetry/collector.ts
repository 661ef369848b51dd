/** A collector of OpenTelemetry, as far as it takes to see what a process exports: OTLP over HTTP, in JSON. */

type Value = string | number | boolean;
export type Attributes = Record<string, Value>;

export interface CollectedSpan {
  scope: string;
  name: string;
  /** 1 internal, 2 server. */
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  attributes: Attributes;
  events: string[];
  /** 0 unset, 2 error. */
  status: { code: number; message: string };
}

export interface CollectedPoint {
  scope: string;
  name: string;
  unit: string;
  /** Whether it can only grow. */
  monotonic: boolean;
  attributes: Attributes;
  value: number;
}

// deno-lint-ignore no-explicit-any -- what OTLP looks like is what the tests look at
type Json = any;

const PATIENCE = 30_000;

export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** The latest of each. */
  readonly points = new Map<string, CollectedPoint>();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => this.#take(request),
  );
  #waiting: { met: () => boolean; resolve: () => void }[] = [];

  /** What makes a process of Deno's export to this collector, and soon. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      OTEL_METRIC_EXPORT_INTERVAL: "50",
    };
  }

  /** Waits until what was collected is such. */
  async until(met: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(
      () => reject(new Error(`Not collected within ${PATIENCE} ms: ${met}`)),
      PATIENCE,
    );
    this.#waiting.push({ met, resolve });
    this.#look();
    await promise.finally(() => clearTimeout(late));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #take(request: Request): Promise<Response> {
    const { resourceSpans = [], resourceMetrics = [] }: Json = await request.json();
    for (const { scopeSpans } of resourceSpans) {
      for (const { scope, spans } of scopeSpans) this.#takeSpans(scope.name, spans);
    }
    for (const { scopeMetrics } of resourceMetrics) {
      for (const { scope, metrics } of scopeMetrics) this.#takeMetrics(scope.name, metrics);
    }
    this.#look();
    return Response.json({});
  }

  #takeSpans(scope: string, spans: Json[]): void {
    for (const span of spans) {
      this.spans.push({
        ...span,
        scope,
        attributes: attributesOf(span.attributes),
        events: span.events.map(({ name }: Json) => name),
      });
    }
  }

  #takeMetrics(scope: string, metrics: Json[]): void {
    for (const { name, unit, sum } of metrics) {
      for (const { attributes: pairs, asInt, asDouble } of sum?.dataPoints ?? []) {
        const attributes = attributesOf(pairs);
        const direction = attributes["network.io.direction"];
        this.points.set(direction === undefined ? name : `${name} ${direction}`, {
          scope,
          name,
          unit,
          monotonic: sum.isMonotonic ?? false,
          attributes,
          value: Number(asInt ?? asDouble),
        });
      }
    }
  }

  #look(): void {
    this.#waiting = this.#waiting.filter(({ met, resolve }) => {
      if (!met()) return true;
      resolve();
      return false;
    });
  }
}

function attributesOf(pairs: Json[]): Attributes {
  return Object.fromEntries(pairs.map(({ key, value }) => {
    const { intValue, doubleValue, stringValue, boolValue } = value;
    const number = intValue ?? doubleValue;
    return [key, number === undefined ? stringValue ?? boolValue : Number(number)];
  }));
}
