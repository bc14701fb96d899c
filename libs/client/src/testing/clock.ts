import { jest } from '@jest/globals';

/**
 * Jest's fake timers, and a `performance.now()` that can get ahead of them: what a page sees when its timers are held up
 * (frozen, throttled, or its machine asleep).
 */
export class HeldUpTimers {
  private aheadMs = 0;

  constructor() {
    jest.useFakeTimers();
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + this.aheadMs);
  }

  /** Time passes and no timer fires; those that were due then do so, late, at the next {@link run}. */
  pause(ms: number): void {
    this.aheadMs += ms;
  }

  /** Time passes and timers fire when they are due. */
  run(ms: number): Promise<void> {
    return jest.advanceTimersByTimeAsync(ms);
  }

  /** Time passes, and timers fire only at the end of each minute, as in a hidden page that is throttled intensively. */
  async throttled(minutes: number, eachMinute: () => void = () => undefined): Promise<void> {
    for (let n = 0; n < minutes; n++) {
      this.pause(60_000);
      // Whatever was due within the minute: each once.
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
