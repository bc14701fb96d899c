/** How many offline instances are remembered; they come and go. */
const MAX_INSTANCES = 256;

/** Follows the numbers of those who speak to this gateway, to notice what the bus has lost. */
export class GapDetector {
  private readonly last = new Map<string, number>();

  /** What was said last, and said now. True: something between was not heard. A tick repeats the last number. */
  hasGap(from: string, n: number, tick: boolean): boolean {
    const last = this.last.get(from) ?? 0;
    return tick ? n !== last : n !== last + 1;
  }

  received(from: string, n: number): void {
    this.last.delete(from);
    for (const silent of this.last.keys()) {
      if (this.last.size < MAX_INSTANCES) break;
      this.last.delete(silent);
    }
    this.last.set(from, n);
  }
}
