import { withTimeout } from '../deferred.js';
import type { Logger } from '../log/logger.js';

/**
 * Order of the shutdown. `edge`: stop accepting work from clients. `work`: finish accepted work. `bus`: close the bus.
 * `database`: close the database connections.
 */
export const SHUTDOWN_PHASES = ['edge', 'work', 'bus', 'database'] as const;
export type ShutdownPhase = (typeof SHUTDOWN_PHASES)[number];

interface Hook {
  readonly phase: ShutdownPhase;
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

/** Shutdown hooks of a process. Hooks of one phase run together; the next phase starts when all of them have ended. */
export class Shutdown {
  private readonly hooks: Hook[] = [];
  private readonly controller = new AbortController();
  private running: Promise<string[]> | undefined;

  constructor(private readonly log: Logger) {}

  /** Aborted when the shutdown begins; loops and waits end with it. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** A hook that throws is logged and does not stop the others. */
  on(phase: ShutdownPhase, name: string, run: () => Promise<void> | void): void {
    this.hooks.push({ phase, name, run });
  }

  /**
   * Runs all hooks once, however often it is called.
   * @param boundMs for all phases together, in milliseconds
   * @returns the names of the hooks that did not end in time; empty if all did
   */
  run(boundMs: number): Promise<string[]> {
    this.running ??= this.runPhases(performance.now() + boundMs);
    return this.running;
  }

  private async runPhases(deadline: number): Promise<string[]> {
    this.controller.abort();
    for (const phase of SHUTDOWN_PHASES) {
      const hanging = new Set<string>();
      const ends = this.hooks.filter((hook) => hook.phase === phase).map((hook) => this.runHook(hook, hanging));
      const left = Math.max(1, deadline - performance.now());
      await withTimeout(Promise.all(ends), left, `shutdown phase ${phase}`).catch(() => undefined);
      if (hanging.size > 0) return [...hanging];
    }
    return [];
  }

  private async runHook(hook: Hook, hanging: Set<string>): Promise<void> {
    const name = `${hook.phase}:${hook.name}`;
    hanging.add(name);
    try {
      await hook.run();
    } catch (error) {
      this.log.error('shutdown.hook-failed', { hook: name, error });
    }
    hanging.delete(name);
  }
}
