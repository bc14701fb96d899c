/**
 * Must be fast and synchronous, from known state: it runs at each probe. Any text but `ok` is the reason of a failure.
 */
export type DependencyCheck = () => 'ok' | (string & {});

export interface Readiness {
  readonly status: 'ready' | 'not-ready';
  readonly dependencies: Readonly<Record<string, { readonly ok: boolean; readonly reason?: string }>>;
}

/** `stuck`: something that was started will not end; the reasons are by name. */
export interface Liveness {
  readonly status: 'alive' | 'stuck';
  readonly reasons?: Readonly<Record<string, string>>;
}

/** Interval in milliseconds at which the checks run for {@link Health.onReadiness}. */
const WATCH_MS = 100;

/** Readiness and liveness checks of a service. One per process. */
export class Health {
  private readonly readinessChecks = new Map<string, DependencyCheck>();
  private readonly livenessChecks = new Map<string, DependencyCheck>();
  private readonly listeners = new Set<(ready: boolean) => void>();
  private unreadyReason: string | undefined = 'starting';
  private watch: NodeJS.Timeout | undefined;
  private wasReady = false;

  /** Names are unique: a later check replaces an earlier one. */
  addReadinessCheck(name: string, check: DependencyCheck): void {
    this.readinessChecks.set(name, check);
  }

  /** For failures that only a new process fixes. A server that is away is a readiness check, not a liveness check. */
  addLivenessCheck(name: string, check: DependencyCheck): void {
    this.livenessChecks.set(name, check);
  }

  /** Call it when the service has started. */
  open(): void {
    this.unreadyReason = undefined;
    this.readiness();
  }

  /** Refuses work regardless of the dependencies: during start and stop. */
  markUnready(reason: string): void {
    this.unreadyReason = reason;
    this.readiness();
  }

  readiness(): Readiness {
    const results = [...this.readinessChecks].map(([name, check]) => [name, outcome(check)] as const);
    if (this.unreadyReason !== undefined) results.push(['service', { ok: false, reason: this.unreadyReason }]);
    const ready = results.every(([, result]) => result.ok);
    this.noticed(ready);
    return { status: ready ? 'ready' : 'not-ready', dependencies: Object.fromEntries(results) };
  }

  get isReady(): boolean {
    return this.readiness().status === 'ready';
  }

  /**
   * Calls the listener with the current readiness and after each change. @returns a function that removes the listener
   */
  onReadiness(listener: (ready: boolean) => void): () => void {
    const ready = this.isReady;
    this.listeners.add(listener);
    listener(ready);
    this.watch ??= setInterval(() => this.readiness(), WATCH_MS).unref();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      clearInterval(this.watch);
      this.watch = undefined;
    };
  }

  liveness(): Liveness {
    const failing = [...this.livenessChecks].map(([name, check]) => [name, outcome(check).reason] as const);
    const reasons = failing.filter((one): one is [string, string] => one[1] !== undefined);
    return reasons.length === 0 ? { status: 'alive' } : { status: 'stuck', reasons: Object.fromEntries(reasons) };
  }

  private noticed(ready: boolean): void {
    if (ready === this.wasReady) return;
    this.wasReady = ready;
    for (const listener of [...this.listeners]) listener(ready);
  }
}

function outcome(check: DependencyCheck): { ok: boolean; reason?: string } {
  try {
    const answer = check();
    return answer === 'ok' ? { ok: true } : { ok: false, reason: answer };
  } catch (error) {
    return { ok: false, reason: `the check failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}
