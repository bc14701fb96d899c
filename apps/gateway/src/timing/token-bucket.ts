/** A rate limit with a burst, by default of twice the rate. */
export class TokenBucket {
  private tokens: number;

  constructor(
    private readonly perSecond: number,
    private filledAt: number,
    private readonly burst = 2 * perSecond,
  ) {
    this.tokens = burst;
  }

  /** Takes `cost` tokens. @returns false, and takes none, when there are too few */
  take(now: number, cost = 1): boolean {
    this.tokens = this.left(now);
    this.filledAt = now;
    if (this.tokens < cost) return false;
    this.tokens -= cost;
    return true;
  }

  /** Takes `cost` tokens even if there are too few. @returns false when the bucket is in debt */
  spend(now: number, cost = 1): boolean {
    this.tokens = this.left(now) - cost;
    this.filledAt = now;
    return this.tokens >= 0;
  }

  hasDebt(now: number): boolean {
    return this.left(now) < 0;
  }

  /** Number of whole tokens available. */
  whole(now: number): number {
    return Math.max(0, Math.floor(this.left(now)));
  }

  /** Whether less than one token is available. */
  isEmpty(now: number): boolean {
    return this.left(now) < 1;
  }

  private left(now: number): number {
    return Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000);
  }
}
