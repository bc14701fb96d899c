import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { killOrphan, recordPid, removePidFile } from './pid-file.js';
import { guard, unguard } from './reaper.js';

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ManagedProcessOptions {
  /** The name in messages. */
  name: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** All lines are also appended to this file. */
  logFile?: string;
  /** Holds the pid, so that the next start can end a process that outlived a killed parent. */
  pidFile?: string;
  /** The signal that the child gets when this process ends. Default SIGKILL. */
  orphanSignal?: NodeJS.Signals;
}

const KEPT_LINES = 2_000;
const LINE_LENGTH = 400;

/**
 * One child process, identified by its pid. It runs in its own process group, so Ctrl-C in a terminal reaches only this
 * process, which stops its children in order. If this process dies, the reaper ends the child.
 */
export class ManagedProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Set when the process has ended. */
  exit: Exit | undefined;
  #child: ChildProcess;
  #lines: string[] = [];
  #logFile: WriteStream | undefined;
  #ending = false;
  #crashListeners: ((exit: Exit) => void)[] = [];

  /** Resolves when the process runs; rejects when the program cannot be started. */
  static async spawn(options: ManagedProcessOptions): Promise<ManagedProcess> {
    if (options.pidFile) await killOrphan(options.pidFile);
    const child = spawn(options.command, options.args, {
      env: options.env,
      cwd: options.cwd,
      uid: options.uid,
      gid: options.gid,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(new Error(`cannot start ${options.name}: ${error.message}`, { cause: error })),
      );
    });
    return new ManagedProcess(child, options);
  }

  private constructor(
    child: ChildProcess,
    private readonly options: ManagedProcessOptions,
  ) {
    this.#child = child;
    this.pid = child.pid as number;
    guard(this.pid, options.orphanSignal ?? 'SIGKILL');
    if (options.pidFile) recordPid(options.pidFile, this.pid);
    if (options.logFile) {
      mkdirSync(dirname(options.logFile), { recursive: true });
      this.#logFile = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
      this.#logFile.on('error', () => (this.#logFile = undefined));
    }
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#keep(line));
    }
    this.exited = new Promise((resolve) => {
      // `close` follows the last log line, which holds the reason of a crash.
      child.once('close', (code, signal) => {
        this.exit = { code, signal };
        unguard(this.pid);
        if (options.pidFile) removePidFile(options.pidFile);
        this.#logFile?.end();
        resolve(this.exit);
        if (!this.#ending) for (const listener of this.#crashListeners) listener(this.exit);
      });
    });
  }

  /** The last lines of standard output and error, oldest first; at most 2,000 are kept. */
  get logs(): readonly string[] {
    return this.#lines;
  }

  get running(): boolean {
    return this.exit === undefined;
  }

  /** Calls back when the process ends although neither `stop()` nor `kill9()` was called. */
  onCrash(listener: (exit: Exit) => void): void {
    this.#crashListeners.push(listener);
  }

  /**
   * Sends `signal`, then SIGKILL if the process still runs after `graceMs`. `forced` is true when SIGKILL was needed.
   */
  async stop(signal: NodeJS.Signals, graceMs: number): Promise<{ exit: Exit; forced: boolean }> {
    if (this.exit) return { exit: this.exit, forced: false };
    this.#ending = true;
    this.#signal(signal);
    // A frozen process handles only SIGKILL until SIGCONT.
    this.#signal('SIGCONT');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, graceMs, 'late')));
    const first = await Promise.race([this.exited, late]);
    clearTimeout(timer);
    if (first !== 'late') return { exit: first, forced: false };
    this.#signal('SIGKILL');
    return { exit: await this.exited, forced: true };
  }

  async kill9(): Promise<Exit> {
    this.#ending = true;
    this.#signal('SIGKILL');
    return this.exited;
  }

  freeze(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  /** An error message with the last log lines. */
  describe(what: string, lines = 20): string {
    const end = this.exit ? ` (exit code ${this.exit.code}, signal ${this.exit.signal})` : '';
    const log =
      this.#lines.length > 0
        ? `Its last log lines:\n${this.#lines.slice(-lines).map(shortened).join('\n')}`
        : 'It logged nothing.';
    return `${this.options.name} ${what}${end}. ${log}`;
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.exit === undefined) this.#child.kill(signal);
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    this.#logFile?.write(`${line}\n`);
  }
}

/** Shortens long lines such as stack traces in error messages; the log file has the full text. */
function shortened(line: string): string {
  return line.length <= LINE_LENGTH ? line : `${line.slice(0, LINE_LENGTH)} …`;
}
