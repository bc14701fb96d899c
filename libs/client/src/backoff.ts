export interface BackoffRange {
  /** Milliseconds; the upper end of the first delay. */
  baseMs: number;
  /** Milliseconds; the upper end that is never exceeded. */
  maxMs: number;
}

/**
 * Exponential back-off with full jitter: uniformly random below `base × 2^attempt`, so that clients cut off together do
 * not come back together. Attempts count from 0.
 */
export function fullJitter(range: BackoffRange, attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(range.maxMs, range.baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(random() * ceiling);
}
