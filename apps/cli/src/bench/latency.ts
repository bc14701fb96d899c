import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { round } from './cpu.js';

/** Milliseconds. */
export interface Percentiles {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Latencies in microseconds, kept as a histogram: constant memory whatever the rate. */
export class Latency {
  private readonly histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });

  /** @param ms milliseconds */
  record(ms: number): void {
    this.histogram.record(Math.max(1, Math.round(ms * 1000)));
  }

  get percentiles(): Percentiles {
    const at = (p: number): number => round(this.histogram.percentile(p) / 1000);
    const { count, max } = this.histogram;
    return count === 0
      ? { count: 0, p50: 0, p90: 0, p99: 0, max: 0 }
      : { count, p50: at(50), p90: at(90), p99: at(99), max: round(max / 1000) };
  }
}
