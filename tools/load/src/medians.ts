import { round } from './cpu.js';
import type { Measurement } from './result.js';

type Reduce = (values: number[]) => number;

/** The middle value; for an even count the mean of the two middle values. */
export const median: Reduce = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return round(((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2);
};

export const least: Reduce = (values) => Math.min(...values);
export const most: Reduce = (values) => Math.max(...values);

/** Reduces every number of the measurements separately: a median's p50 and p99 may come from different runs. */
export function reduced(runs: readonly Measurement[], reduce: Reduce): Measurement {
  const { figures, latencies, cpu } = runs[0] as Measurement;
  return merged({ figures, latencies, cpu }, runs, reduce) as Measurement;
}

function merged(shape: unknown, values: readonly unknown[], reduce: Reduce): unknown {
  if (typeof shape === 'number') return reduce(values as number[]);
  const entries = Object.keys(shape as object).map((key) => {
    const inner = values.map((value) => (value as Record<string, unknown>)[key]);
    return [key, merged(inner[0], inner, reduce)] as const;
  });
  return Object.fromEntries(entries);
}
