/** A timer that fires more than this after its time was held up: the page is throttled or was frozen, or the machine slept. */
const LATE_MS = 2_000;

export const isLate = (dueAt: number, now: number): boolean => now - dueAt > LATE_MS;

/**
 * Calls `expired` after `ms`. A timer that fires late proves nothing: what was waited for may have arrived and not been
 * handled yet. So the first late one grants the whole time once more; a second is taken at its word.
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
