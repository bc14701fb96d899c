import { withTimeout } from '@huizhi/runtime';

export interface DatabaseProbeOptions {
  /** Runs a statement on the connection to probe. */
  readonly statement: () => Promise<unknown>;
  /** Returns false as soon as the connection is known to be lost, before a statement fails. */
  readonly connected?: () => boolean;
  /** Pause between the end of a probe and the next one, in milliseconds. Default 1,000. */
  readonly everyMs?: number;
  /** Time after which a statement counts as failed, in milliseconds. Default 2,000. */
  readonly boundMs?: number;
}

/**
 * Probes whether statements on a connection are answered, for readiness. An open connection proves nothing: a pooler, a
 * firewall or a frozen server may be in between. One probe runs at a time; the next one starts after the last has
 * ended.
 */
export class DatabaseProbe {
  private failure: string | undefined = 'not asked yet';
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly options: DatabaseProbeOptions) {}

  start(): void {
    if (this.timer || this.stopped) return;
    this.schedule(0);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** `ok`, or the reason why not. */
  status(): string {
    if (this.options.connected?.() === false) return 'not connected to PostgreSQL';
    return this.failure ?? 'ok';
  }

  private schedule(ms: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.probe(), ms).unref();
  }

  private async probe(): Promise<void> {
    const { statement, everyMs = 1_000, boundMs = 2_000 } = this.options;
    const asked = statement();
    try {
      await withTimeout(asked, boundMs, 'a statement');
      this.failure = undefined;
    } catch (error) {
      this.failure = `PostgreSQL does not answer: ${(error as Error).message}`;
      await asked.catch(() => undefined);
    }
    this.schedule(everyMs);
  }
}
