import type { LiveRows } from './render.js';
import { width } from './text.js';

const ESC = '\u001b';
const CLEAR_BELOW = `${ESC}[J`;
const SAVE_CURSOR = `${ESC}7`;
const RESTORE_CURSOR = `${ESC}8`;
const PASTE_MARKS_ON = `${ESC}[?2004h`;
const PASTE_MARKS_OFF = `${ESC}[?2004l`;

const up = (rows: number): string => (rows > 0 ? `${ESC}[${rows}A` : '');
const column = (n: number): string => `${ESC}[${n + 1}G`;

/**
 * The end of a terminal's scrollback. Final rows scroll up and stay; the live rows below them are redrawn. Rows must be
 * narrower than the terminal, so that the terminal never wraps one.
 */
export class Screen {
  private drawn: readonly string[] = [];
  private cursorRow = 0;
  /** Number of columns before the cursor in its row. */
  private cursorColumn = 0;

  constructor(private readonly write: (text: string) => void) {
    write(PASTE_MARKS_ON);
  }

  draw(final: readonly string[], live: LiveRows): void {
    const { rows, cursorRow, beforeCursor } = live;
    const isLast = cursorRow === rows.length - 1;
    const shown = isLast
      ? // The terminal saves and restores the cursor, because it knows the width of its emoji.
        [
          ...rows.slice(0, -1),
          `${beforeCursor}${SAVE_CURSOR}${rows.at(-1)!.slice(beforeCursor.length)}${RESTORE_CURSOR}`,
        ]
      : rows;
    const back = isLast ? '' : `${up(rows.length - 1 - cursorRow)}${column(width(beforeCursor))}`;
    this.write(`${this.home()}${CLEAR_BELOW}${[...final, ...shown].join('\r\n')}${back}`);
    this.drawn = rows;
    this.cursorRow = cursorRow;
    this.cursorColumn = width(beforeCursor);
  }

  /** Adjusts to a new width: the terminal has wrapped the drawn rows again, so they take another number of rows. */
  resize(columns: number): void {
    const above = this.drawn.slice(0, this.cursorRow).map((row) => Math.max(1, Math.ceil(width(row) / columns)));
    this.cursorRow = above.reduce((sum, rows) => sum + rows, Math.floor(this.cursorColumn / columns));
  }

  clear(): void {
    this.write(`${ESC}[2J${ESC}[H`);
    this.drawn = [];
    this.cursorRow = 0;
  }

  /** Leaves the final rows on the screen and removes the live ones. */
  end(final: readonly string[]): void {
    this.write(`${this.home()}${CLEAR_BELOW}${final.map((row) => `${row}\r\n`).join('')}${PASTE_MARKS_OFF}`);
    this.drawn = [];
    this.cursorRow = 0;
  }

  private home(): string {
    return `\r${up(this.cursorRow)}`;
  }
}
