import { round } from './cpu.js';

/** Milliseconds. */
export interface Percentiles {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Latencies in milliseconds. Every value is kept, so that recording is one array store and percentiles are exact. */
export class Latency {
  private values = new Float64Array(4096);
  private count = 0;

  /** @param ms milliseconds */
  record(ms: number): void {
    if (this.count === this.values.length) {
      const larger = new Float64Array(this.count * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.count++] = ms;
  }

  /** Percentiles by nearest rank. All 0 when no value was recorded. */
  get percentiles(): Percentiles {
    const sorted = this.values.slice(0, this.count).sort();
    const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * this.count) - 1)] ?? 0);
    return { count: this.count, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
  }
}
