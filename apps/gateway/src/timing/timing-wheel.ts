/** An item that waits for a time. It is in at most one slot of one wheel. */
export interface Timed {
  /** Owned by the wheel: the slot of the item, 0 when it is in none. */
  wheelAt: number;
  /** Does the work that is due. @returns when to call again, wheel clock in ms; undefined for never */
  due(now: number): number | undefined;
}

/**
 * One coarse timer for all deadlines. An item is armed for its nearest deadline only and checks it when called. So
 * cancelling costs nothing, and no message needs a timer of its own.
 */
export class TimingWheel {
  private readonly slots: Set<Timed>[];
  private turn: number;

  constructor(
    now: number,
    private readonly stepMs = 100,
    private readonly size = 1024,
    private readonly failed: (error: unknown) => void = () => undefined,
  ) {
    this.slots = Array.from({ length: size }, () => new Set());
    this.turn = Math.floor(now / stepMs);
  }

  /** Calls `item` at `at` or, if it is armed for earlier, then. A time beyond the wheel's reach is called early. */
  arm(item: Timed, at: number): void {
    const slot = Math.min(Math.max(Math.ceil(at / this.stepMs), this.turn + 1), this.turn + this.size - 1);
    if (item.wheelAt !== 0 && item.wheelAt <= slot) return;
    this.disarm(item);
    item.wheelAt = slot;
    this.slot(slot).add(item);
  }

  disarm(item: Timed): void {
    if (item.wheelAt === 0) return;
    this.slot(item.wheelAt).delete(item);
    item.wheelAt = 0;
  }

  /** Calls all items that are due; after a pause of any length each is called at most once. */
  advance(now: number): void {
    const target = Math.floor(now / this.stepMs);
    this.turn = Math.max(this.turn, target - this.size);
    while (this.turn < target) {
      this.turn += 1;
      const slot = this.slot(this.turn);
      for (const item of [...slot]) this.ask(item, now);
    }
  }

  private ask(item: Timed, now: number): void {
    this.disarm(item);
    try {
      const next = item.due(now);
      if (next !== undefined) this.arm(item, next);
    } catch (error) {
      this.failed(error);
    }
  }

  private slot(number: number): Set<Timed> {
    return this.slots[number % this.size] as Set<Timed>;
  }
}
