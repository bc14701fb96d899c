import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** The process's only registry: what `/metrics` shows. */
export const metricsRegistry = new Registry();

/**
 * The labels of a metric and, for each, every value it may take.
 * The values are a closed list on purpose: an id as a label value would grow a series per user until memory is gone.
 */
export type LabelValues = Readonly<Record<string, readonly string[]>>;
export type Labels<L extends LabelValues> = { [Name in keyof L & string]: L[Name][number] };
type Name<L extends LabelValues> = keyof L & string;

interface Description<L extends LabelValues> {
  /** With the unit, as Prometheus wants it: `hz_bus_requests_total`, `hz_commit_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: L;
}

/** Adds; asking again for the same name gives the same counter. */
export function counter<const L extends LabelValues = Record<never, never>>(about: Description<L>): Counter<Name<L>> {
  const known = metricsRegistry.getSingleMetric(about.name);
  if (known instanceof Counter) return known;
  return new Counter({ ...common(about), registers: [metricsRegistry] });
}

/** A level; `read` is called at each scrape, for a value that is somewhere already. */
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

/** From half a millisecond to ten seconds, dense where this system lives. */
export const SECONDS_BUCKETS = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 5, 10,
];

/** A distribution; the buckets are seconds unless given. */
export function histogram<const L extends LabelValues = Record<never, never>>(
  about: Description<L>,
  buckets: readonly number[] = SECONDS_BUCKETS,
): Histogram<Name<L>> {
  const known = metricsRegistry.getSingleMetric(about.name);
  if (known instanceof Histogram) return known;
  return new Histogram({ ...common(about), buckets: [...buckets], registers: [metricsRegistry] });
}

/** Process CPU, memory, event-loop lag, garbage collection. Once per process; called by the service's start. */
export function collectProcessMetrics(): void {
  if (metricsRegistry.getSingleMetric('process_cpu_seconds_total')) return;
  collectDefaultMetrics({ register: metricsRegistry });
}

function common<L extends LabelValues>(about: Description<L>): { name: string; help: string; labelNames: Name<L>[] } {
  return { name: about.name, help: about.help, labelNames: Object.keys(about.labels ?? {}) };
}
