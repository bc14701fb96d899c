/** How long a turn may last, milliseconds: well above what a statement and its answer may take, so that only what hangs is longer. */
const LIMIT_MS = 15_000;

/**
 * Whether what must come to its end does. A writer that waits for ever for something stops nothing else: the process lives, its
 * ticks go on, and so nobody would notice but those who wait for it.
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

  /** `ok`, or that one lasts too long. */
  status(): string {
    const latest = performance.now() - this.limitMs;
    const isStuck = [...this.running].some(({ begun }) => begun < latest);
    return isStuck ? `the writer has not come back for more than ${this.limitMs} ms` : 'ok';
  }
}
