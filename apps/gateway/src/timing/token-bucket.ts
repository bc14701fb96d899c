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

  /** Takes it in any case, on credit if need be. False: there is a debt now. */
  spend(now: number, cost = 1): boolean {
    this.tokens = this.left(now) - cost;
    this.filledAt = now;
    return this.tokens >= 0;
  }

  hasDebt(now: number): boolean {
    return this.left(now) < 0;
  }

  /** How many whole ones may be taken. */
  whole(now: number): number {
    return Math.max(0, Math.floor(this.left(now)));
  }

  /** Whether there is nothing to take. */
  isEmpty(now: number): boolean {
    return this.left(now) < 1;
  }

  private left(now: number): number {
    return Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000);
  }
}
