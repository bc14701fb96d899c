import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually, projectRoot } from '@huizhi/dev-env';

/** A new folder that PostgreSQL can enter when the tests run as root and PostgreSQL as another user. */
export function newDataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'huizhi-up-'));
  chmodSync(folder, 0o711);
  return folder;
}

/** `hz up` as a separate process, which is what `npm start` runs. */
export class Up {
  readonly lines: string[] = [];
  readonly exited: Promise<number | string>;
  readonly #child: ChildProcess;

  /** @param env variables of the caller's shell, besides PATH and HOME */
  constructor(
    readonly dataDir: string,
    env: Record<string, string> = {},
  ) {
    const { PATH = '', HOME = '' } = process.env;
    this.#child = spawn(process.execPath, [join(projectRoot(), 'dist/apps/cli/src/main.js'), 'up', '--data', dataDir], {
      // Outside the project's folder: a start must not depend on the current folder.
      cwd: tmpdir(),
      env: { PATH, HOME, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
    this.exited = new Promise((resolve) =>
      this.#child.once('close', (code, signal) => resolve(code ?? String(signal))),
    );
  }

  get output(): string {
    return this.lines.join('\n');
  }

  /** Resolves when the start has printed its last line. Rejects when the process ends before. */
  async ready(): Promise<this> {
    let over = false;
    void this.exited.then(() => (over = true));
    await eventually(
      'the banner',
      () => {
        if (over) throw new Error(`it ended:\n${this.output}`);
        return this.lines.some((line) => line.startsWith('Next: '));
      },
      120_000,
    ).catch((cause: unknown) => {
      throw new Error(`it is not up:\n${this.output}`, { cause });
    });
    return this;
  }

  /** Resolves with the groups of the first match after the first `from` lines. */
  async line(pattern: RegExp, from = 0, withinMs = 60_000): Promise<RegExpExecArray> {
    return eventually(
      `a line like ${pattern}`,
      () =>
        this.lines
          .slice(from)
          .map((line) => pattern.exec(line))
          .find((match) => match !== null),
      withinMs,
    ).catch((cause: unknown) => {
      throw new Error(`no line like ${pattern} in:\n${this.output}`, { cause });
    });
  }

  /** The pids of the processes that the banner lists, by label. */
  pids(): Map<string, number> {
    const rows = this.lines.map((line) => /^ {2}(?:processes)? *(\S+) +pid (\d+)/.exec(line));
    return new Map(rows.flatMap((row) => (row ? [[row[1]!, Number(row[2])] as const] : [])));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends Ctrl-C and waits for the exit. Does nothing when the process has ended. */
  async stop(): Promise<number | string> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.signal('SIGINT');
    return this.exited;
  }
}
