/** Something that waits for a time. Kept in at most one slot of one wheel. */
export interface Timed {
  /** The wheel's: the slot it waits in, 0 when in none. */
  wheelAt: number;
  /** Does what is due and says when to ask again, in the wheel's milliseconds; nothing: no more. */
  due(now: number): number | undefined;
}

/**
 * One coarse timer for everything that waits. A session arms it for its nearest deadline only and finds out when asked whether
 * that still stands: what was answered in the meantime costs nothing to cancel, and no message ever makes a timer.
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

  /** Asks `item` not before `at`, unless it is to be asked sooner anyway. Beyond the wheel's reach it is asked early. */
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

  /** Asks all whose time has come; after a pause of any length each at most once. */
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
