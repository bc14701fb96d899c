import { TokenBucket } from './token-bucket.js';

const MAX_KEYS = 20_000;

/** A rate for each of many keys. Remembers the latest keys only. */
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

  /** False: too many. */
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

  /** Whether {@link take} would say no. */
  isEmpty(key: string): boolean {
    return this.buckets.get(key)?.isEmpty(this.now()) ?? false;
  }
}
