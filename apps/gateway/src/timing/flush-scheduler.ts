/** Collects output during an event-loop turn and flushes it once at its end. */
export interface Flushable {
  flush(): void;
}

/**
 * Flushes each item once per event-loop turn, after its input was read. So the output of a turn leaves in one write per
 * socket and one bus message per lane owner.
 */
export class FlushScheduler {
  private waiting: Flushable[] = [];
  private armed = false;

  constructor(private readonly failed: (error: unknown) => void = () => undefined) {}

  /** The caller must not add an item twice before its flush. */
  add(item: Flushable): void {
    this.waiting.push(item);
    if (this.armed) return;
    this.armed = true;
    setImmediate(this.run);
  }

  private readonly run = (): void => {
    this.armed = false;
    const items = this.waiting;
    this.waiting = [];
    for (const item of items) {
      try {
        item.flush();
      } catch (error) {
        this.failed(error);
      }
    }
  };
}
