/**
 * Keeps the client below the server's frame rate, a token bucket of twice the rate: at most 0.9 × the limit at once,
 * and 0.9 × the limit per second after that. Beyond the rate the server reads more slowly, receipts and heartbeats
 * included, and finally closes the connection. Frames wait here instead, where receipts can overtake them.
 */
export class FrameRate {
  private tokens = Infinity;
  private at = 0;
  private perSecond = Infinity;

  /** @param limit frames per second; Infinity for no limit */
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
