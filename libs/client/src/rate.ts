/**
 * Keeps below the server's frames per second, which are a bucket that holds twice as many: at most 0.9 of the limit at once
 * and 0.9 of it per second after. The server reads a client beyond the rate more slowly, receipts and heartbeats included, and closes it
 * when it stays there; so frames wait here, where receipts can pass them.
 */
export class FrameRate {
  private tokens = Infinity;
  private at = 0;
  private perSecond = Infinity;

  /** @param limit frames per second; Infinity for none */
  reset(limit: number, now: number): void {
    this.perSecond = Math.max(1, limit * 0.9);
    this.tokens = this.perSecond;
    this.at = now;
  }

  take(now: number): boolean {
    if (this.perSecond === Infinity) return true;
    this.tokens = Math.min(this.perSecond, this.tokens + ((now - this.at) / 1000) * this.perSecond);
    this.at = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  /** Milliseconds until the next frame may be sent. */
  get waitMs(): number {
    return this.tokens >= 1 ? 0 : Math.ceil(((1 - this.tokens) / this.perSecond) * 1000);
  }
}
