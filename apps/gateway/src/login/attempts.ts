import { Buckets } from '../time/buckets.js';

/** What an address gets back each second of its failed logins. */
const FORGIVEN_PER_SECOND = 10;

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
