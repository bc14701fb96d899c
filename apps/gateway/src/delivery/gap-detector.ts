/** Maximum number of offline instances remembered; instances come and go. */
const MAX_INSTANCES = 256;

/** Tracks the message numbers of each offline instance to detect bus messages that were lost. */
export class GapDetector {
  private readonly last = new Map<string, number>();

  /** Whether messages between the last received number and `n` are missing. A tick repeats the last number. */
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
