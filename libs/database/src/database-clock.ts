import { counter, gauge, type Logger, rateLimited } from '@huizhi/runtime';

const overruled = counter({
  name: 'hz_clock_overruled_total',
  help: 'Times the clock of this machine became further from the clock of the database than HZ_CLOCK_BOUND',
});

export interface DatabaseClockOptions {
  /** How far the clock of this machine may be from the database's, milliseconds. */
  readonly boundMs: number;
  readonly log: Logger;
  /** Milliseconds since 1970 by this machine, and of a clock that nothing sets. For tests. */
  readonly wall?: () => number;
  readonly monotonic?: () => number;
}

/**
 * What time it is, for values that are stored. The clock of this machine counts while it agrees with the database's; a clock that
 * jumps or was never set is overruled at once. Between two samples the database's clock is followed by the monotonic one, so that no
 * statement is needed to notice a jump.
 */
export class DatabaseClock {
  /** The database's time when the monotonic clock was zero; unknown before the first sample. */
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
   * @param databaseMs the time of the database, milliseconds since 1970
   * @param sentAt by the monotonic clock, before it was asked. An answer that took longer than the bound proves too little.
   */
  sample(databaseMs: number, sentAt: number): void {
    const answeredAt = this.monotonic();
    if (this.base !== undefined && answeredAt - sentAt > this.options.boundMs) return;
    this.base = databaseMs - (sentAt + answeredAt) / 2;
    this.now();
  }

  /** Milliseconds since 1970, a whole number. May step back, by the bound at most while the database's clock does not. */
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
