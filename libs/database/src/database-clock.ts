import { counter, gauge, type Logger, rateLimited } from '@huizhi/runtime';

const overruled = counter({
  name: 'hz_clock_overruled_total',
  help: 'Times the clock of this machine became further from the clock of the database than HZ_CLOCK_BOUND',
});

export interface DatabaseClockOptions {
  /** Limit of the difference between the clocks of this machine and of the database, in milliseconds. */
  readonly boundMs: number;
  readonly log: Logger;
  /** The wall clock (milliseconds since 1970) and the monotonic clock. For tests. */
  readonly wall?: () => number;
  readonly monotonic?: () => number;
}

/**
 * The time for stored values. It is the clock of this machine while that agrees with the database's clock. A clock that
 * jumps or was never set is overruled at once. Between two samples the monotonic clock extrapolates the database's
 * clock, so that detecting a jump needs no statement.
 */
export class DatabaseClock {
  /** The database's time when the monotonic clock was zero; undefined before the first sample. */
  private base: number | undefined;
  private isOverruled = false;
  private readonly log: Logger;
  private readonly wall: () => number;
  private readonly monotonic: () => number;

  constructor(private readonly options: DatabaseClockOptions) {
    this.log = rateLimited(options.log);
    this.wall = options.wall ?? Date.now;
    this.monotonic = options.monotonic ?? (() => performance.now());
    gauge(
      { name: 'hz_clock_offset_seconds', help: 'How far the clock of this machine is ahead of the database’s' },
      () => this.offset() / 1_000,
    );
  }

  /**
   * @param databaseMs time of the database in milliseconds since 1970
   * @param sentAt monotonic time before the query. An answer that took longer than the bound is too inaccurate and
   * ignored.
   */
  sample(databaseMs: number, sentAt: number): void {
    const answeredAt = this.monotonic();
    if (this.base !== undefined && answeredAt - sentAt > this.options.boundMs) return;
    this.base = databaseMs - (sentAt + answeredAt) / 2;
    this.now();
  }

  /**
   * Milliseconds since 1970, an integer. May step back, but by at most the bound while the database's clock does not.
   */
  now(): number {
    const wall = this.wall();
    const offset = this.offset(wall);
    const isFar = Math.abs(offset) > this.options.boundMs;
    if (isFar !== this.isOverruled) this.changed(isFar, offset);
    return isFar ? Math.round(wall - offset) : wall;
  }

  private offset(wall = this.wall()): number {
    return this.base === undefined ? 0 : wall - (this.base + this.monotonic());
  }

  private changed(isFar: boolean, offset: number): void {
    this.isOverruled = isFar;
    const fields = { offsetMs: Math.round(offset), boundMs: this.options.boundMs };
    if (!isFar) return this.log.info('clock.agrees', fields);
    overruled.inc();
    this.log.error('clock.overruled', {
      ...fields,
      hint: 'set the clock of this machine (NTP): the database’s is used',
    });
  }
}
