/**
 * Limit of a turn in milliseconds: well above the time of a statement and its answer, so that only a stuck turn exceeds
 * it.
 */
const LIMIT_MS = 15_000;

/**
 * Detects work that does not end. A writer that waits forever stops nothing else: the process lives and its ticks go
 * on, so only its callers would notice.
 */
export class StallWatchdog {
  private readonly running = new Set<{ readonly begun: number }>();

  constructor(private readonly limitMs = LIMIT_MS) {}

  async watch<T>(work: () => Promise<T>): Promise<T> {
    const turn = { begun: performance.now() };
    this.running.add(turn);
    try {
      return await work();
    } finally {
      this.running.delete(turn);
    }
  }

  /** `ok`, or that some work takes too long. */
  status(): string {
    const latest = performance.now() - this.limitMs;
    const isStuck = [...this.running].some(({ begun }) => begun < latest);
    return isStuck ? `the writer has been stuck for more than ${this.limitMs} ms` : 'ok';
  }
}
