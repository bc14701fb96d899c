import { createHash } from 'node:crypto';
import { KeyedRateLimiter } from '../timing/keyed-rate-limiter.js';

/** Rate at which an address regains failed logins. */
const FORGIVEN_PER_SECOND = 10;
/** The same failed login within this time is counted once. */
const SAME_FAILURE_MS = 600_000;
const MAX_FAILURES = 20_000;

/**
 * Limits logins so that one client cannot use up the limit of another. Successful logins count per user and client
 * network; failed ones count per network and delay only other failed logins.
 */
export class LoginRateLimiter {
  private readonly perUser: KeyedRateLimiter;
  private readonly failures: KeyedRateLimiter;
  /** When each recent failure was counted, ms. */
  private readonly counted = new Map<string, number>();

  /** @param burst logins in a row per user and client network; then one per second */
  constructor(
    burst: number,
    failuresPerAddress: number,
    private readonly now: () => number,
  ) {
    this.perUser = new KeyedRateLimiter(1, burst, now);
    this.failures = new KeyedRateLimiter(FORGIVEN_PER_SECOND, failuresPerAddress, now);
  }

  /** Number of keys remembered. */
  get size(): number {
    return this.perUser.size + this.failures.size + this.counted.size;
  }

  /**
   * Counts a login with a valid token, so only its user can use up this limit.
   * @returns false when the limit is exceeded
   */
  take(origin: string, user: string): boolean {
    return this.perUser.take(`${origin} ${user}`);
  }

  /**
   * Counts a login with a bad token. The same token is counted once, because a client that retries with it is no
   * attack.
   * @returns false when this network sent too many different bad tokens
   */
  failed(origin: string, user: string, token: string): boolean {
    const failure = createHash('sha256').update(`${origin}\n${user}\n${token}`).digest('base64');
    const now = this.now();
    const countedAt = this.counted.get(failure);
    if (countedAt !== undefined && now - countedAt < SAME_FAILURE_MS) return true;
    if (!this.failures.take(origin)) return false;
    this.counted.delete(failure);
    this.counted.set(failure, now);
    for (const oldest of this.counted.keys()) {
      if (this.counted.size <= MAX_FAILURES) break;
      this.counted.delete(oldest);
    }
    return true;
  }
}
