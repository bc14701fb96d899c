/** Lets the first of many equal events through in each interval and counts the others, so that no client can fill the log. */
export class OncePerInterval<Key> {
  private readonly last = new Map<Key, { at: number; heldBack: number }>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(
    private readonly intervalMs: number,
    private readonly now: () => number,
  ) {}

  /**
   * @param key one of a few: each is remembered
   * @returns how many were held back since the last one that was let through; undefined: this one is held back
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
