import { TokenBucket } from '../time/token-bucket.js';

const MAX_KEYS = 20_000;

/** How often one user may be tried from one address: a burst, then one each second. Remembers the latest keys only. */
export class Attempts {
  private readonly buckets = new Map<string, TokenBucket>();

  constructor(
    private readonly burst: number,
    private readonly now: () => number,
  ) {}

  /** False: too many. */
  take(address: string, user: string): boolean {
    const key = `${address} ${user}`;
    const now = this.now();
    const bucket = this.buckets.get(key) ?? new TokenBucket(1, now, this.burst);
    this.buckets.delete(key);
    for (const oldest of this.buckets.keys()) {
      if (this.buckets.size < MAX_KEYS) break;
      this.buckets.delete(oldest);
    }
    this.buckets.set(key, bucket);
    return bucket.take(now);
  }
}
