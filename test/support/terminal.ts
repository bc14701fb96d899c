import { projectRoot } from '@huizhi/dev-env';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The screen that a user would see, scrollback included. */
export interface Shown {
  lines: string[];
  row: number;
  column: number;
  /** Number of rows that were longer than the width of the terminal. */
  broken: number;
  /** The exit code, when the program has ended. */
  code?: number;
}

const SCRIPT = join(projectRoot(), 'test/support/terminal.py');
/** A bound in milliseconds for busy machines. */
const WAIT_MS = 30_000;

/** A program in a pseudo-terminal, which Python manages. */
export class Terminal {
  private shown: Shown = { lines: [], row: 0, column: 0, broken: 0 };
  private readonly watchers = new Set<() => void>();
  private errors = '';

  private constructor(private readonly process: ChildProcessWithoutNullStreams) {
    process.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    createInterface(process.stdout).on('line', (line) => {
      this.shown = JSON.parse(line) as Shown;
      for (const look of [...this.watchers]) look();
    });
  }

  static run(program: readonly string[], columns = 80, rows = 24): Terminal {
    return new Terminal(spawn('python3', [SCRIPT, String(columns), String(rows), ...program]));
  }

  type(text: string): void {
    this.say({ type: text });
  }

  /** Sends pasted text as a terminal does when the program has enabled bracketed paste. */
  paste(text: string): void {
    this.type(`\u001b[200~${text}\u001b[201~`);
  }

  resize(columns: number, rows: number): void {
    this.say({ resize: [columns, rows] });
  }

  /** Resolves with the screen when it fulfils the condition. */
  until(what: string, condition: (shown: Shown) => boolean): Promise<Shown> {
    if (condition(this.shown)) return Promise.resolve(this.shown);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.watchers.delete(look);
        const screen = [...this.shown.lines, this.errors].join('\n');
        reject(new Error(`waited ${WAIT_MS} ms for ${what}; the screen was:\n${screen}`));
      }, WAIT_MS);
      const look = (): void => {
        if (!condition(this.shown)) return;
        clearTimeout(timer);
        this.watchers.delete(look);
        resolve(this.shown);
      };
      this.watchers.add(look);
    });
  }

  /** Resolves when some row matches. */
  row(pattern: RegExp): Promise<Shown> {
    return this.until(String(pattern), ({ lines }) => lines.some((line) => pattern.test(line)));
  }

  /** Ends the program if it still runs. */
  stop(): void {
    if (this.shown.code === undefined) this.process.stdin.end();
  }

  private say(command: object): void {
    this.process.stdin.write(`${JSON.stringify(command)}\n`);
  }
}
