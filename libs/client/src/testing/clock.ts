import { jest } from '@jest/globals';

/**
 * Jest's fake timers, and a `performance.now()` that can run ahead of them. Simulates delayed timers of a page that is
 * frozen or throttled, or whose machine sleeps.
 */
export class HeldUpTimers {
  private aheadMs = 0;

  constructor() {
    jest.useFakeTimers();
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + this.aheadMs);
  }

  /** Advances the clock without firing timers; those due fire late, at the next {@link run}. */
  pause(ms: number): void {
    this.aheadMs += ms;
  }

  /** Advances the clock and fires timers when they are due. */
  run(ms: number): Promise<void> {
    return jest.advanceTimersByTimeAsync(ms);
  }

  /** Advances the clock and fires timers only at the end of each minute, as in an intensively throttled hidden page. */
  async throttled(minutes: number, eachMinute: () => void = () => undefined): Promise<void> {
    for (let n = 0; n < minutes; n++) {
      this.pause(60_000);
      // Fires each timer that was due within the minute once.
      jest.runOnlyPendingTimers();
      await jest.advanceTimersByTimeAsync(0);
      eachMinute();
    }
  }

  restore(): void {
    jest.restoreAllMocks();
    jest.useRealTimers();
  }
}
