/** A rate with a burst of twice as much. */
export class TokenBucket {
  private tokens: number;

  constructor(
    private readonly perSecond: number,
    private filledAt: number,
    private readonly burst = 2 * perSecond,
  ) {
    this.tokens = burst;
  }

  /** False: too many. */
  take(now: number, cost = 1): boolean {
    this.tokens = this.left(now);
    this.filledAt = now;
    if (this.tokens < cost) return false;
    this.tokens -= cost;
    return true;
  }

  /** Whether there is nothing to take. */
  isEmpty(now: number): boolean {
    return this.left(now) < 1;
  }

  private left(now: number): number {
    return Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000);
  }
}
