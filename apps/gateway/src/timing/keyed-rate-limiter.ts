import { TokenBucket } from './token-bucket.js';

const MAX_KEYS = 20_000;

/** A token bucket per key, for the most recently used keys. */
export class KeyedRateLimiter {
  private readonly buckets = new Map<string, TokenBucket>();

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private readonly now: () => number,
  ) {}

  get size(): number {
    return this.buckets.size;
  }

  /** Takes `cost` tokens. @returns false when the bucket has too few */
  take(key: string, cost = 1): boolean {
    const now = this.now();
    const bucket = this.buckets.get(key) ?? new TokenBucket(this.perSecond, now, this.burst);
    this.buckets.delete(key);
    for (const oldest of this.buckets.keys()) {
      if (this.buckets.size < MAX_KEYS) break;
      this.buckets.delete(oldest);
    }
    this.buckets.set(key, bucket);
    return bucket.take(now, cost);
  }

  /** Whether {@link take} would return false for a cost of 1. */
  isEmpty(key: string): boolean {
    return this.buckets.get(key)?.isEmpty(this.now()) ?? false;
  }
}
