import { withTimeout } from '@huizhi/runtime';

export interface DatabaseProbeOptions {
  /** Runs a statement on the connection that is to be known of. */
  readonly statement: () => Promise<unknown>;
  /** False as soon as the connection is known to be gone; then no statement needs to fail first. */
  readonly connected?: () => boolean;
  /** Between the end of a probe and the next one, milliseconds. Default 1,000. */
  readonly everyMs?: number;
  /** A statement that takes longer has failed, milliseconds. Default 2,000. */
  readonly boundMs?: number;
}

/**
 * Whether statements on a connection are answered, for readiness: a connection that is open proves nothing, since a pooler, a firewall
 * or a frozen server may be in between. One probe at a time; one that does not end is not repeated until it does.
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

  /** `ok`, or why not. */
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
