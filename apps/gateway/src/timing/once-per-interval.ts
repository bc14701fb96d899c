/** Passes the first of equal events per interval and counts the others, so that no client can fill the log. */
export class OncePerInterval<Key> {
  private readonly last = new Map<Key, { at: number; heldBack: number }>();

  /** @param now monotonic clock, milliseconds */
  constructor(
    private readonly intervalMs: number,
    private readonly now: () => number,
  ) {}

  /**
   * @param key must have few values, because each is remembered
   * @returns the number of events held back since the last one that passed; undefined when this one is held back
   */
  pass(key: Key): number | undefined {
    const at = this.now();
    const last = this.last.get(key);
    if (last && at - last.at < this.intervalMs) {
      last.heldBack += 1;
      return undefined;
    }
    this.last.set(key, { at, heldBack: 0 });
    return last?.heldBack ?? 0;
  }
}
