/**
 * Exponential back-off with full jitter: attempt n waits a random time in [0, min(cap, base × 2ⁿ)). Full jitter spreads
 * the reconnects of many processes that lost the same server.
 */
export class Backoff {
  private attempt = 0;

  /**
   * @param baseMs bound of the first wait in milliseconds
   * @param capMs bound of every wait in milliseconds
   */
  constructor(
    private readonly baseMs: number,
    private readonly capMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next wait in milliseconds, at least 1. */
  next(): number {
    const bound = Math.min(this.capMs, this.baseMs * 2 ** Math.min(this.attempt, 30));
    this.attempt += 1;
    return Math.max(1, Math.floor(this.random() * bound));
  }

  /** Call after a success: the next failure starts again at the base. */
  reset(): void {
    this.attempt = 0;
  }
}

/** Waits `ms` milliseconds; ends early, without an error, when the signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
