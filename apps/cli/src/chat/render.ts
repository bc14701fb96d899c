import type { ChatModel, Entry, InEntry, LinkState, OwnState } from './model.js';
import { clean, fill, truncate, width, wrap } from './text.js';

/** The part of the screen below the final rows. */
export interface LiveRows {
  rows: string[];
  /** Position of the cursor: in this row, after this text. */
  cursorRow: number;
  beforeCursor: string;
}

const marks: Record<OwnState, string> = { sending: '…', stored: '✓', refused: '✗', unknown: '?' };
const links: Record<LinkState, string> = {
  online: 'online',
  connecting: 'connecting',
  reconnecting: 'reconnecting',
  ended: 'ended',
  leaving: 'leaving',
};

/** Below this number of columns beside the head of an entry, its text continues at the left margin. */
const MIN_TEXT_COLUMNS = 16;
const MAX_INPUT_ROWS = 5;
const MAX_FRAME_CHARACTERS = 2_000;
const PROMPT = '> ';
/** Symbol of a line end in the input. */
const LINE_END = '⏎';

/** An entry as rows of at most `columns`, indented to the start of its text if the width allows. */
export function entryRows(entry: Entry, columns: number): string[] {
  const head = headOf(entry);
  const text = textOf(entry);
  const indent = width(head);
  if (columns - indent < MIN_TEXT_COLUMNS) return wrap(`${head}${text}`, columns);
  // JSON has few spaces, so it is split anywhere.
  const rows = entry.kind === 'frame' ? fill(text, columns - indent) : wrap(text, columns - indent);
  return rows.map((row, n) => `${n === 0 ? head : ' '.repeat(indent)}${row}`);
}

/** An entry on one line of any length, for output that is not a terminal. */
export const entryLine = (entry: Entry): string => `${headOf(entry)}${textOf(entry).replace(/\n/g, ' ')}`;

/** Open entries, the status line and the input with the cursor. */
export function liveRows(
  model: ChatModel,
  input: { text: string; cursor: number },
  columns: number,
  height: number,
): LiveRows {
  const status = truncate(`-- ${statusOf(model)} --`, columns);
  const typed = inputRows(input, columns, Math.max(1, Math.min(MAX_INPUT_ROWS, height - 2)));
  const room = Math.max(0, height - 2 - typed.rows.length);
  const open = openRows(model, columns, room);
  return {
    rows: [...open, status, ...typed.rows],
    cursorRow: open.length + 1 + typed.cursorRow,
    beforeCursor: typed.beforeCursor,
  };
}

/** The newest rows that fit, and one row with the number of omitted entries. */
function openRows({ open }: ChatModel, columns: number, room: number): string[] {
  if (room === 0) return [];
  const shown: string[] = [];
  for (let n = open.length - 1; n >= 0; n--) {
    const rows = entryRows(open[n]!, columns);
    const needed = n === 0 ? 0 : 1;
    if (shown.length + rows.length + needed > room) {
      const line = truncate(`   (${n + 1} more that are not settled)`, columns);
      return [line, ...shown].slice(0, room);
    }
    shown.unshift(...rows);
  }
  return shown;
}

export function statusOf(model: ChatModel): string {
  const { user, link, why, target, away, unsettled, unreceipted } = model;
  return [
    user,
    why === '' ? links[link] : `${links[link]} (${why})`,
    target === '' ? 'no conversation: /to <user>' : `to ${target}`,
    ...(unsettled > 0 ? [`${unsettled} not stored yet`] : []),
    ...(away ? ['away'] : []),
    ...(unreceipted > 0 ? [`${unreceipted} not receipted: /back`] : []),
  ].join(' | ');
}

function inputRows({ text, cursor }: { text: string; cursor: number }, columns: number, maxRows: number): LiveRows {
  const shown = (part: string): string => clean(part).replace(/\n/g, LINE_END);
  // One column stays free for the cursor after the last character.
  const before = fill(PROMPT + shown(text.slice(0, cursor)), columns - 1);
  const cursorRow = before.length - 1;
  const rows = fill(PROMPT + shown(text), columns - 1);
  // Text after the cursor may change the end of the cursor's row, but never its start.
  const first = Math.max(0, Math.min(cursorRow - Math.floor(maxRows / 2), rows.length - maxRows));
  return {
    rows: rows.slice(first, first + maxRows),
    cursorRow: cursorRow - first,
    beforeCursor: before.at(-1) ?? '',
  };
}

function headOf(entry: Entry): string {
  switch (entry.kind) {
    case 'own':
      return `${clock(entry.time)} ${marks[entry.state]} you > ${clean(entry.to)}: `;
    case 'in':
      return `${clock(entry.time)} ${entry.held ? '○' : ' '} ${clean(entry.from)}: `;
    default:
      return entry.time ? `${clock(entry.time)} ` : '';
  }
}

function textOf(entry: Entry): string {
  const text = clean(entry.text);
  switch (entry.kind) {
    case 'own':
      return entry.why === undefined ? text : `${text}  (${clean(entry.why)})`;
    case 'in':
      return entry.held ? `${text}  (${fateOf(entry)})` : text;
    case 'frame':
      return truncate(text, MAX_FRAME_CHARACTERS);
    default:
      return text;
  }
}

const fateOf = ({ copies }: InEntry): string =>
  `not receipted, will come again${copies > 1 ? `; came ${copies} times` : ''}`;

const two = (n: number): string => String(n).padStart(2, '0');
const clock = (time: Date): string => `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
