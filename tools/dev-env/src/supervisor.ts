import { setTimeout as delay } from 'node:timers/promises';
import type { Exit } from './process.js';
import { RestartDelays } from './restart-delays.js';

/** A process that can be restarted. */
export interface Supervised {
  /** The name in messages and file names: `gateway-1`. */
  readonly label: string;
  /** `undefined` while the process is not running. */
  readonly pid: number | undefined;
  readonly logFile: string;
  /** Starts it on the same ports and files. Resolves when the process is ready; rejects when it ends before. */
  start(): Promise<void>;
  stop(): Promise<unknown>;
}

interface Watched {
  readonly delays: RestartDelays;
  /** When the process was last known to run: a value of `performance.now()`. */
  since: number;
  /** The pid before the process ended. */
  pid: number | undefined;
  exit: Exit | undefined;
  /** The restart in progress. */
  restart: Promise<void> | undefined;
}

/**
 * Restarts processes that this program did not stop, each independently and with increasing delays. Prints one line
 * when a process runs again, and one per failed attempt.
 */
export class Supervisor {
  readonly #watched = new Map<Supervised, Watched>();
  readonly #stopping = new AbortController();

  constructor(private readonly print: (line: string) => void) {}

  /** Starts to supervise the process. A process that has already ended is restarted. */
  watch(part: Supervised): void {
    const { pid } = part;
    const watched: Watched = {
      delays: new RestartDelays(),
      since: performance.now(),
      pid,
      exit: undefined,
      restart: undefined,
    };
    this.#watched.set(part, watched);
    if (pid === undefined) this.died(part);
  }

  /** Must be called each time a process ends by itself, also during a restart. Ignores parts that are not watched. */
  died(part: Supervised, exit?: Exit): void {
    const watched = this.#watched.get(part);
    if (!watched) return;
    watched.exit = exit;
    if (watched.restart || this.#stopping.signal.aborted) return;
    watched.restart = this.#restart(part, watched).finally(() => (watched.restart = undefined));
  }

  /** Prevents further restarts and stops processes that are being restarted. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const pending = (): [Supervised, Watched][] =>
      [...this.#watched].filter(([, { restart }]) => restart !== undefined);
    // A restart may be between two steps, when it has no process to stop: repeat until none is in progress.
    for (let left = pending(); left.length > 0; left = pending()) {
      await Promise.all(left.map(([part]) => part.stop()));
      await Promise.race([Promise.all(left.map(([, { restart = Promise.resolve() }]) => restart)), delay(20)]);
    }
  }

  async #restart(part: Supervised, watched: Watched): Promise<void> {
    const { label, logFile } = part;
    const { signal } = this.#stopping;
    const diedAt = performance.now();
    const how = ended(watched.exit);
    let wait = watched.delays.next(diedAt - watched.since);
    for (;;) {
      await delay(wait, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const failure = await attempt(part, watched);
      if (failure === undefined) break;
      if (signal.aborted) return;
      wait = watched.delays.next(0);
      this.print(`${label} ${failure}; next start in ${seconds(wait)}. Its log: ${logFile}`);
    }
    const hint = watched.delays.isRepeated ? ` Its log: ${logFile}` : '';
    const before = watched.pid === undefined ? '' : ` (pid ${watched.pid})`;
    watched.pid = part.pid;
    watched.since = performance.now();
    this.print(`${label}${before} ${how}; back after ${seconds(watched.since - diedAt)} as pid ${part.pid}.${hint}`);
  }
}

/** Starts the process once. Returns the failure, or `undefined` when the process runs. */
async function attempt(part: Supervised, watched: Watched): Promise<string | undefined> {
  watched.exit = undefined;
  let failure: unknown = new Error('it ended at once');
  try {
    await part.start();
    if (part.pid !== undefined) return undefined;
  } catch (error) {
    failure = error;
  }
  const { exit } = watched as { exit: Exit | undefined };
  return exit ? `ended at its start (${outcome(exit)})` : `cannot be started: ${short(failure)}`;
}

function ended(exit: Exit | undefined): string {
  if (exit === undefined) return 'ended';
  return exit.signal === null ? `ended with ${outcome(exit)}` : `was killed by ${exit.signal}`;
}

function outcome({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

/** Errors of processes carry their last log lines; the terminal shows only the first line. */
function short(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] as string;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
