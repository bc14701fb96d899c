/**
 * A timer that fires later than this, in ms, was delayed: the page is throttled or was frozen, or the machine slept.
 */
const LATE_MS = 2_000;

export const isLate = (dueAt: number, now: number): boolean => now - dueAt > LATE_MS;

/**
 * Calls `expired` after `ms`. A late timer proves nothing, because the awaited event may have arrived and not been
 * handled yet. The first late timer therefore starts the full time again; a second one expires.
 */
export class Deadline {
  private timer: ReturnType<typeof setTimeout> | undefined;

  set(ms: number, expired: () => void): void {
    this.arm(ms, expired, true);
  }

  clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private arm(ms: number, expired: () => void, mayGrant: boolean): void {
    this.clear();
    const dueAt = performance.now() + ms;
    this.timer = setTimeout(() => {
      if (mayGrant && isLate(dueAt, performance.now())) this.arm(ms, expired, false);
      else expired();
    }, ms);
  }
}
