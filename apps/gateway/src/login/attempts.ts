import { TokenBucket } from '../time/token-bucket.js';

const MAX_KEYS = 20_000;
/** What an address gets back each second of its failed logins. */
const FORGIVEN_PER_SECOND = 10;

/** A rate for each of many keys. Remembers the latest keys only. */
class Buckets {
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
  take(key: string): boolean {
    const now = this.now();
    const bucket = this.buckets.get(key) ?? new TokenBucket(this.perSecond, now, this.burst);
    this.buckets.delete(key);
    for (const oldest of this.buckets.keys()) {
      if (this.buckets.size < MAX_KEYS) break;
      this.buckets.delete(oldest);
    }
    this.buckets.set(key, bucket);
    return bucket.take(now);
  }

  /** Whether {@link take} would say no. */
  isEmpty(key: string): boolean {
    return this.buckets.get(key)?.isEmpty(this.now()) ?? false;
  }
}

/**
 * How often one user may be tried from one address, a burst and then one each second; and how many logins from one address may fail,
 * whoever they are for. There is no limit for a user from all addresses: it would let anybody lock anybody out.
 */
export class Attempts {
  private readonly perUser: Buckets;
  private readonly failures: Buckets;

  constructor(burst: number, failuresPerAddress: number, now: () => number) {
    this.perUser = new Buckets(1, burst, now);
    this.failures = new Buckets(FORGIVEN_PER_SECOND, failuresPerAddress, now);
  }

  /** Keys remembered. */
  get size(): number {
    return this.perUser.size + this.failures.size;
  }

  /** False: too many. */
  take(origin: string, user: string): boolean {
    return !this.failures.isEmpty(origin) && this.perUser.take(`${origin} ${user}`);
  }

  /** The login was not proved. */
  failed(origin: string): void {
    this.failures.take(origin);
  }
}
