import { expect, test } from '@jest/globals';
import { ChatModel, type Entry } from './model.js';
import { entryLine, entryRows, liveRows, statusOf } from './render.js';
import { width } from './text.js';

const time = new Date(2026, 0, 2, 3, 4, 5);
const model = (): ChatModel => new ChatModel('alice', () => undefined);
const inEntry = (
  text: string,
  n = 1,
): { time: Date; from: string; text: string; messageID: string; inboxSeq: number } => ({
  ...{ time, from: 'bob', text },
  ...{ messageID: String(1024 * n), inboxSeq: n },
});

test('entryLine shows the state of an own message', () => {
  const chat = model();
  const entry = chat.sending('bob', 'hello');
  entry.time = time;
  expect(entryLine(entry)).toBe('03:04:05 … you > bob: hello');
  expect([chat.unsettled, chat.takeFinal()]).toEqual([1, []]);
  chat.settle(entry, 'stored');
  expect(entryLine(entry)).toBe('03:04:05 ✓ you > bob: hello');
  expect([chat.unsettled, chat.takeFinal()]).toEqual([0, [entry]]);
  chat.settle(entry, 'refused', { why: 'not allowed' });
  expect(entryLine(entry)).toBe('03:04:05 ✗ you > bob: hello  (not allowed)');
});

test('a message with a withheld receipt stays open, shows its number of copies, and is final once receipted', () => {
  const chat = model();
  chat.setAway(true);
  chat.arrived(inEntry('hello'));
  expect(entryLine(chat.open[0]!)).toBe('03:04:05 ○ bob: hello  (not receipted, will come again)');
  chat.cameAgain('1024');
  expect(entryLine(chat.open[0]!)).toMatch(/will come again; came 2 times\)$/);
  expect(statusOf(chat)).toMatch(/away.*1 not receipted/);
  chat.confirmed(1);
  expect(chat.takeFinal().map(entryLine)).toEqual(['03:04:05   bob: hello']);
  expect(chat.open).toEqual([]);
});

test('entryRows indents rows to the start of the text, or not at all in a narrow window', () => {
  const entry: Entry = { kind: 'in', ...inEntry('one two three four five'), copies: 1, held: false };
  expect(entryRows(entry, 34)).toEqual(['03:04:05   bob: one two three four', '                five']);
  expect(entryRows(entry, 20)).toEqual(['03:04:05   bob: one', 'two three four five']);
});

test('liveRows fits the newest open entries, one status line and the input into any size', () => {
  const chat = model();
  chat.setAway(true);
  for (let n = 1; n <= 50; n++) chat.arrived(inEntry(`message ${n} 中文 👋`, n));
  chat.setLink('reconnecting', 'connection refused');
  const text = 'a long text of 中文 and 👋 '.repeat(100);
  for (const columns of [4, 10, 24, 79, 200]) {
    for (const height of [3, 5, 24]) {
      for (const cursor of [0, 700, text.length]) {
        const { rows, cursorRow, beforeCursor } = liveRows(chat, { text, cursor }, columns, height);
        expect(rows.length).toBeLessThanOrEqual(height);
        for (const row of rows) expect(width(row)).toBeLessThanOrEqual(columns);
        expect(rows[cursorRow]?.startsWith(beforeCursor)).toBe(true);
        expect(rows.filter((row) => row.startsWith('-- '))).toHaveLength(1);
      }
    }
  }
  const { rows } = liveRows(chat, { text: '', cursor: 0 }, 79, 8);
  expect(rows.at(-1)).toBe('> ');
  expect(rows.at(-2)).toMatch(/^-- alice \| reconnecting \(connection refused\) \|/);
  expect(rows.at(-3)).toMatch(/message 50/);
  expect(rows[0]).toMatch(/more that are not settled/);
});
