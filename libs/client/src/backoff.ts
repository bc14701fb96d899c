export interface BackoffRange {
  /** Upper bound of the first delay in milliseconds. */
  baseMs: number;
  /** Upper bound of every delay in milliseconds. */
  maxMs: number;
}

/**
 * Exponential back-off with full jitter: a uniformly random delay in ms up to `baseMs × 2^attempt`, so that clients
 * disconnected together do not reconnect together. Attempts count from 0.
 */
export function fullJitter(range: BackoffRange, attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(range.maxMs, range.baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(random() * ceiling);
}
