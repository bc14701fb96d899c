/** Cheap, synchronous, from what is known already: it is called at each probe. A text is the reason why not. */
export type DependencyCheck = () => 'ok' | (string & {});

export interface Readiness {
  readonly status: 'ready' | 'not-ready';
  readonly dependencies: Readonly<Record<string, { readonly ok: boolean; readonly reason?: string }>>;
}

/** What a service needs in order to do its work, and whether it wants any. One per process. */
export class Health {
  private readonly checks = new Map<string, DependencyCheck>();
  private withdrawn: string | undefined = 'starting';

  /** Names are unique; the later check replaces the earlier. */
  dependency(name: string, check: DependencyCheck): void {
    this.checks.set(name, check);
  }

  /** The service has started. */
  open(): void {
    this.withdrawn = undefined;
  }

  /** No more work, whatever the dependencies say: starting, stopping. */
  withdraw(reason: string): void {
    this.withdrawn = reason;
  }

  readiness(): Readiness {
    const results = [...this.checks].map(([name, check]) => [name, outcome(check)] as const);
    if (this.withdrawn !== undefined) results.push(['service', { ok: false, reason: this.withdrawn }]);
    const ready = results.every(([, result]) => result.ok);
    return { status: ready ? 'ready' : 'not-ready', dependencies: Object.fromEntries(results) };
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
