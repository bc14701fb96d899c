/** Collects during a turn of the event loop and acts once at its end. */
export interface Flushable {
  flush(): void;
}

/**
 * Runs each once after everything this turn of the event loop has read: so what many sockets and bus messages brought together leaves
 * in one write per socket and one bus message per lane.
 */
export class FlushScheduler {
  private waiting: Flushable[] = [];
  private armed = false;

  constructor(private readonly failed: (error: unknown) => void = () => undefined) {}

  /** The caller takes care not to add itself twice. */
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
