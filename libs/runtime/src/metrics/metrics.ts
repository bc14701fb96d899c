import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** The only registry of the process, shown by `/metrics`. */
export const metricsRegistry = new Registry();

/**
 * The labels of a metric and, for each, every value that it may take. The values are a closed list: an id as a label
 * value would create one series per user.
 */
export type LabelValues = Readonly<Record<string, readonly string[]>>;
export type Labels<L extends LabelValues> = { [Name in keyof L & string]: L[Name][number] };
type Name<L extends LabelValues> = keyof L & string;

interface Description<L extends LabelValues> {
  /** With the unit, as Prometheus recommends: `hz_bus_requests_total`, `hz_commit_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: L;
}

/** A counter. A second call with the same name returns the same counter. */
export function counter<const L extends LabelValues = Record<never, never>>(about: Description<L>): Counter<Name<L>> {
  const known = metricsRegistry.getSingleMetric(about.name);
  if (known instanceof Counter) return known;
  return new Counter({ ...common(about), registers: [metricsRegistry] });
}

/** A gauge; `read` is called at each scrape. */
export function gauge<const L extends LabelValues = Record<never, never>>(
  about: Description<L>,
  read?: () => number,
): Gauge<Name<L>> {
  const known = metricsRegistry.getSingleMetric(about.name);
  if (known instanceof Gauge) return known;
  return new Gauge<Name<L>>({
    ...common(about),
    registers: [metricsRegistry],
    ...(read
      ? {
          collect() {
            this.set(read());
          },
        }
      : {}),
  });
}

/** Buckets from 0.5 ms to 10 s, in seconds; most are below 100 ms. */
export const SECONDS_BUCKETS = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 5, 10,
];

/** A histogram; the buckets are in seconds unless given. */
export function histogram<const L extends LabelValues = Record<never, never>>(
  about: Description<L>,
  buckets: readonly number[] = SECONDS_BUCKETS,
): Histogram<Name<L>> {
  const known = metricsRegistry.getSingleMetric(about.name);
  if (known instanceof Histogram) return known;
  return new Histogram({ ...common(about), buckets: [...buckets], registers: [metricsRegistry] });
}

/** Collects CPU, memory, event-loop lag and garbage collection. Once per process; the start of a service calls it. */
export function collectProcessMetrics(): void {
  if (metricsRegistry.getSingleMetric('process_cpu_seconds_total')) return;
  collectDefaultMetrics({ register: metricsRegistry });
}

function common<L extends LabelValues>(about: Description<L>): { name: string; help: string; labelNames: Name<L>[] } {
  return { name: about.name, help: about.help, labelNames: Object.keys(about.labels ?? {}) };
}
