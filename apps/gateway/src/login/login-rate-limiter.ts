import { createHash } from 'node:crypto';
import { KeyedRateLimiter } from '../timing/keyed-rate-limiter.js';

/** Failed logins that an address gets back each second. */
const FORGIVEN_PER_SECOND = 10;
/** A login that fails again within this time is the same failure. */
const SAME_FAILURE_MS = 600_000;
const MAX_FAILURES = 20_000;

/**
 * Limits on logins, none of which one client can use up for another: successful ones count for their user at their address, failed ones
 * for their address, where they hold up nothing but other failed ones.
 */
export class LoginRateLimiter {
  private readonly perUser: KeyedRateLimiter;
  private readonly failures: KeyedRateLimiter;
  /** When each recent failure was counted. */
  private readonly counted = new Map<string, number>();

  /** @param burst logins of a user from an address in a row; then one a second */
  constructor(
    burst: number,
    failuresPerAddress: number,
    private readonly now: () => number,
  ) {
    this.perUser = new KeyedRateLimiter(1, burst, now);
    this.failures = new KeyedRateLimiter(FORGIVEN_PER_SECOND, failuresPerAddress, now);
  }

  /** Keys remembered. */
  get size(): number {
    return this.perUser.size + this.failures.size + this.counted.size;
  }

  /** For a login whose token is good, so that only its user can use this up. False: too many. */
  take(origin: string, user: string): boolean {
    return this.perUser.take(`${origin} ${user}`);
  }

  /**
   * For a login whose token is bad. The same token again is not counted: a client that retries with it is no attack.
   * @returns false: too many different ones from there
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
