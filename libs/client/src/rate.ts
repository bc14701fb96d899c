/**
 * Keeps below a limit of frames per second, whatever windows the server counts in: a burst of at most 0.4 of the limit and
 * 0.5 of it per second after, so never more than 0.9 in any second; the rest is left to heartbeats and history.
 */
export class FrameRate {
  private tokens = Infinity;
  private at = 0;
  private perSecond = Infinity;

  /** @param limit frames per second; Infinity for none */
  reset(limit: number, now: number): void {
    this.perSecond = Math.max(1, limit * 0.5);
    this.tokens = Math.max(1, Math.floor(limit * 0.4));
    this.at = now;
  }

  take(now: number): boolean {
    if (this.perSecond === Infinity) return true;
    const most = Math.max(1, this.perSecond * 0.8);
    this.tokens = Math.min(most, this.tokens + ((now - this.at) / 1000) * this.perSecond);
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
