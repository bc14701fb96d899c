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
  take(now: number): boolean {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** Whether it is as if it had never been used. */
  isFull(now: number): boolean {
    return this.tokens + ((now - this.filledAt) * this.perSecond) / 1_000 >= this.burst;
  }
}
