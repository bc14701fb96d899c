import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inherited } from './environment.config.js';
import { eventually } from './eventually.js';
import { ManagedProcess, type Exit } from './process.js';
import { projectRoot } from './project-root.js';

export interface ServiceOptions {
  /** A folder name in dist/apps. */
  name: string;
  /** The name in messages and file names: "gateway-1". */
  label: string;
  /** The whole environment, plus PATH, HOME, TMPDIR and NODE_EXTRA_CA_CERTS of this process. Must hold HZ_HTTP_PORT. */
  env: Record<string, string>;
  logFile?: string;
  pidFile?: string;
}

const READY_MS = 30_000;
const STOP_MS = 15_000;
/** Poll interval for a service that takes longer than READY_MS to become ready. */
const NOT_READY_POLL_MS = 1_000;
const MIGRATE_MS = 60_000;

/** One running instance of a service: `node dist/apps/<name>/src/main.js`. */
export class Service {
  #process: ManagedProcess | undefined;
  #crashListener: ((exit: Exit) => void) | undefined;

  constructor(private readonly options: ServiceOptions) {}

  /** Spawns the process. `waitReady()` is a separate step so that several services can start at once. */
  async launch(): Promise<void> {
    if (this.#process?.running) throw new Error(`${this.label} is running already`);
    this.#process = await ManagedProcess.spawn({
      name: this.label,
      command: process.execPath,
      args: ['--enable-source-maps', entryPoint(this.options.name, 'main')],
      env: { ...inherited(), ...this.options.env },
      cwd: projectRoot(),
      logFile: this.options.logFile,
      pidFile: this.options.pidFile,
    });
    if (this.#crashListener) this.#process.onCrash(this.#crashListener);
  }

  /** Waits until /readyz answers 200. Rejects after `timeoutMs`, or when the process ends, with its last log lines. */
  async waitReady(timeoutMs = READY_MS): Promise<void> {
    const running = this.#started();
    try {
      await eventually(
        `${this.label} to be ready`,
        async () => {
          if (!running.running) return true;
          const response = await fetch(`${this.baseUrl}/readyz`, { signal: AbortSignal.timeout(2_000) });
          const body = await response.text();
          if (response.status !== 200) throw new Error(`/readyz answered ${response.status}: ${body.slice(0, 500)}`);
          return true;
        },
        timeoutMs,
      );
    } catch (error) {
      const reason = ((error as Error).cause as Error | undefined)?.message ?? 'no answer';
      throw new Error(running.describe(`was not ready within ${timeoutMs} ms (${reason})`), { cause: error });
    }
    if (!running.running) throw new Error(running.describe('ended before it was ready'));
  }

  get name(): string {
    return this.options.name;
  }

  get label(): string {
    return this.options.label;
  }

  get env(): Readonly<Record<string, string>> {
    return this.options.env;
  }

  /** `http://127.0.0.1:<HZ_HTTP_PORT>`: health, metrics, failpoints. */
  get baseUrl(): string {
    return `http://127.0.0.1:${this.options.env['HZ_HTTP_PORT']}`;
  }

  get pid(): number {
    return this.#started().pid;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get logFile(): string | undefined {
    return this.options.logFile;
  }

  /** The last 2,000 lines of this run. */
  get logs(): readonly string[] {
    return this.#process?.logs ?? [];
  }

  /** Resolves when the current run ends for any reason. */
  get exited(): Promise<Exit> {
    return this.#started().exited;
  }

  /** Calls back when the process ends without `stop()` or `kill9()`; the listener survives restarts. */
  onCrash(listener: (exit: Exit) => void): void {
    this.#crashListener = listener;
    this.#process?.onCrash(listener);
  }

  /** "<label> <what>" followed by the last log lines. */
  describe(what: string): string {
    return this.#started().describe(what);
  }

  /** Sends SIGTERM, then SIGKILL after `graceMs`, by default 15 s (`forced`). */
  async stop(graceMs = STOP_MS): Promise<{ exit: Exit; forced: boolean }> {
    return this.#started().stop('SIGTERM', graceMs);
  }

  async kill9(): Promise<Exit> {
    return this.#started().kill9();
  }

  /** SIGSTOP: the process keeps its connections and does nothing. */
  freeze(): void {
    this.#started().freeze();
  }

  resume(): void {
    this.#started().resume();
  }

  /**
   * Starts the process after it has ended. Resolves when it is ready, without a time limit; rejects when it ends
   * before.
   */
  async startAgain(): Promise<void> {
    await this.launch();
    for (let boundMs = READY_MS; ; boundMs = 0) {
      try {
        return await this.waitReady(boundMs);
      } catch (error) {
        // A running process may wait for a server that is being restarted, too.
        if (!this.running) throw error;
        await delay(NOT_READY_POLL_MS);
      }
    }
  }

  /**
   * Restarts on the same ports; `env` overrides the previous environment. Stops the process first if it runs. Resolves
   * when it is ready.
   */
  async restart(env: Record<string, string> = {}): Promise<void> {
    if (this.running) await this.stop();
    Object.assign(this.options.env, env);
    await this.launch();
    await this.waitReady();
  }

  #started(): ManagedProcess {
    if (!this.#process) throw new Error(`${this.label} was never launched`);
    return this.#process;
  }
}

/** Runs `node dist/apps/<name>/src/migrate.js` until it ends. Rejects with its last log lines. */
export async function migrate(name: string, env: Record<string, string>): Promise<void> {
  const running = await ManagedProcess.spawn({
    name: `the migration of ${name}`,
    command: process.execPath,
    args: ['--enable-source-maps', entryPoint(name, 'migrate')],
    env: { ...inherited(), ...env },
    cwd: projectRoot(),
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, MIGRATE_MS, 'late')));
  const outcome = await Promise.race([running.exited, late]);
  clearTimeout(timer);
  if (outcome === 'late') {
    await running.kill9();
    throw new Error(running.describe(`did not end within ${MIGRATE_MS} ms`));
  }
  if (outcome.code !== 0) throw new Error(running.describe('failed'));
}

function entryPoint(name: string, file: 'main' | 'migrate'): string {
  const path = join(projectRoot(), 'dist', 'apps', name, 'src', `${file}.js`);
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`npm run build\``);
  return path;
}
