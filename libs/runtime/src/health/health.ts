/** Cheap, synchronous, from what is known already: it is called at each probe. A text is the reason why not. */
export type DependencyCheck = () => 'ok' | (string & {});

export interface Readiness {
  readonly status: 'ready' | 'not-ready';
  readonly dependencies: Readonly<Record<string, { readonly ok: boolean; readonly reason?: string }>>;
}

/** `stuck`: something that was begun will not end, with the reasons by name. */
export interface Liveness {
  readonly status: 'alive' | 'stuck';
  readonly reasons?: Readonly<Record<string, string>>;
}

/** How often the checks are looked at for {@link Health.onReadiness}, milliseconds. */
const WATCH_MS = 100;

/** What a service needs in order to do its work, and whether it wants any. One per process. */
export class Health {
  private readonly readinessChecks = new Map<string, DependencyCheck>();
  private readonly livenessChecks = new Map<string, DependencyCheck>();
  private readonly listeners = new Set<(ready: boolean) => void>();
  private unreadyReason: string | undefined = 'starting';
  private watch: NodeJS.Timeout | undefined;
  private wasReady = false;

  /** Names are unique; the later check replaces the earlier. */
  addReadinessCheck(name: string, check: DependencyCheck): void {
    this.readinessChecks.set(name, check);
  }

  /** What only a new process mends, and nothing outside of this one causes: a server that is away is a dependency. */
  addLivenessCheck(name: string, check: DependencyCheck): void {
    this.livenessChecks.set(name, check);
  }

  /** The service has started. */
  open(): void {
    this.unreadyReason = undefined;
    this.readiness();
  }

  /** No more work, whatever the dependencies say: starting, stopping. */
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

  /** Calls back with the readiness of now, and with each change. Returns what ends it. */
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
