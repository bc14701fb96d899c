import { describe, expect, test } from '@jest/globals';
import { GoodLog } from '../testing/good-log.js';
import { HistoryChecker, type Verdict } from './checker.js';
import { parseLogLine, type LogLine } from './log.js';
import type { Rule } from './violations.js';

type Of<Ev extends LogLine['ev']> = Extract<LogLine, { ev: Ev }>;

function check(lines: readonly LogLine[]): Verdict {
  const checker = new HistoryChecker();
  for (const line of lines) checker.add(parseLogLine(JSON.stringify(line)));
  return checker.finish();
}

/** The n-th line of this kind that a device wrote. */
function nth<Ev extends LogLine['ev']>(
  lines: LogLine[],
  device: string,
  ev: Ev,
  n: number,
): { at: number; line: Of<Ev> } {
  const found = lines
    .map((line, at) => ({ line, at }))
    .filter(({ line }) => line.ev === ev && `${line.user}/${line.device}` === device)[n];
  if (!found) throw new Error(`${device} has no ${ev} number ${n}`);
  return found as { at: number; line: Of<Ev> };
}

const isOf = (line: LogLine, device: string): boolean => `${line.user}/${line.device}` === device;

/** One mutation of a good log each, and the rules of which at least one must notice. */
const mutants: { name: string; rules: Rule[]; mutate(lines: LogLine[]): void }[] = [
  {
    name: 'a stored message dropped everywhere',
    rules: ['I1'],
    mutate(lines) {
      const { line } = nth(lines, 'alice/phone', 'ok', 1);
      for (let i = lines.length - 1; i >= 0; i--) {
        const each = lines[i] as LogLine;
        if (each.ev === 'received' && each.messageID === line.messageID) lines.splice(i, 1);
        if (each.ev === 'history')
          each.messages = each.messages.filter(({ messageID }) => messageID !== line.messageID);
      }
    },
  },
  {
    name: 'the last delivery dropped',
    rules: ['I1'],
    mutate(lines) {
      const mine = lines.filter((line) => line.ev === 'received' && isOf(line, 'bob/phone'));
      lines.splice(lines.indexOf(mine.at(-1) as LogLine), 1);
    },
  },
  {
    name: 'a delivery in the middle dropped',
    rules: ['I7', 'I1'],
    mutate: (lines) => void lines.splice(nth(lines, 'alice/laptop', 'received', 3).at, 1),
  },
  {
    name: 'a message delivered as two entries',
    rules: ['I5'],
    mutate(lines) {
      const { at, line } = nth(lines, 'dave/phone', 'received', 1);
      lines.splice(at + 1, 0, { ...line, inboxSeq: line.inboxSeq + 1, previous: line.inboxSeq });
    },
  },
  {
    name: 'two deliveries swapped',
    rules: ['I7'],
    mutate(lines) {
      const one = nth(lines, 'dave/phone', 'received', 1);
      const other = nth(lines, 'dave/phone', 'received', 2);
      [lines[one.at], lines[other.at]] = [other.line, one.line];
    },
  },
  {
    name: 'changed content in a delivery',
    rules: ['I5'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'received', 2).line.hash = 'other'),
  },
  {
    name: 'changed content everywhere but at the sender',
    rules: ['I5'],
    mutate(lines) {
      const { messageID } = nth(lines, 'bob/phone', 'received', 2).line;
      for (const line of lines) {
        if (line.ev === 'received' && line.messageID === messageID) line.hash = 'other';
        if (line.ev === 'history')
          for (const each of line.messages) if (each.messageID === messageID) each.hash = 'other';
      }
    },
  },
  {
    name: 'an altered seq in a delivery',
    rules: ['I4', 'I8'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'received', 2).line.seq += 1),
  },
  {
    name: 'a ghost in a delivery',
    rules: ['I3'],
    mutate(lines) {
      const { at, line } = nth(lines, 'dave/phone', 'received', 5);
      const { inboxSeq, seq } = line;
      const ghost = {
        messageID: '999424',
        clientMsgID: 'ghost',
        inboxSeq: inboxSeq + 1,
        previous: inboxSeq,
        seq: seq + 1,
      };
      lines.splice(at + 1, 0, { ...line, ...ghost });
    },
  },
  {
    name: 'a ghost in the history',
    rules: ['I3'],
    mutate(lines) {
      for (const line of lines) {
        const last = line.ev === 'history' ? line.messages.at(-1) : undefined;
        if (line.ev === 'history' && last) {
          line.messages.push({ ...last, messageID: `${last.messageID}9`, seq: last.seq + 1, clientMsgID: 'ghost' });
        }
      }
    },
  },
  {
    name: 'delivered again after it was confirmed',
    rules: ['I6'],
    mutate(lines) {
      const { at } = nth(lines, 'dave/phone', 'confirmed', 2);
      lines.splice(at + 1, 0, nth(lines, 'dave/phone', 'received', 0).line);
    },
  },
  {
    name: 'a cursor that went back',
    rules: ['I6'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'connected', 1).line.cursor = 0),
  },
  {
    name: 'confirmed without having been receipted',
    rules: ['I6'],
    mutate: (lines) => void lines.splice(nth(lines, 'dave/phone', 'receipted', 2).at, 1),
  },
  {
    name: 'a foreign receiver',
    rules: ['I12'],
    mutate(lines) {
      const { at, line } = nth(lines, 'bob/phone', 'received', 0);
      const inboxSeq = 0.5;
      lines.splice(at + 1, 0, { ...line, user: 'carol', device: 'phone', inboxSeq, previous: 0 });
    },
  },
  {
    name: 'a copy at the sending device',
    rules: ['I12'],
    mutate(lines) {
      const { at, line } = nth(lines, 'alice/laptop', 'received', 0);
      lines.splice(at + 1, 0, { ...line, device: 'phone' });
    },
  },
  {
    name: 'a hole in the history',
    rules: ['I9'],
    mutate(lines) {
      for (const line of lines) {
        if (line.ev === 'history') for (const each of line.messages) if (each.seq >= 3) each.seq += 1;
      }
    },
  },
  {
    name: 'a changed receipt',
    rules: ['I10'],
    mutate(lines) {
      const { at, line } = nth(lines, 'alice/laptop', 'ok', 0);
      lines.splice(at + 1, 0, { ...line, serverTime: '999' });
    },
  },
  {
    name: 'one missing and one doubled',
    rules: ['I1'],
    mutate(lines) {
      const missing = nth(lines, 'dave/phone', 'received', 2);
      const doubled = nth(lines, 'dave/phone', 'received', 1);
      lines[missing.at] = { ...doubled.line, inboxSeq: missing.line.inboxSeq };
    },
  },
  {
    name: 'a refused message that is stored',
    rules: ['I2'],
    mutate(lines) {
      const { at, line } = nth(lines, 'alice/phone', 'ok', 2);
      lines[at] = { ...line, ev: 'fail', code: 1201 };
    },
  },
  {
    name: 'a client id stored twice',
    rules: ['I4'],
    mutate(lines) {
      for (const line of lines) {
        const last = line.ev === 'history' ? line.messages.at(-1) : undefined;
        if (line.ev === 'history' && last)
          line.messages.push({ ...last, messageID: `${last.messageID}9`, seq: last.seq + 1 });
      }
    },
  },
  {
    name: 'two of one sender stored in the other order',
    rules: ['I7'],
    mutate(lines) {
      const one = nth(lines, 'carol/phone', 'invoke', 1);
      const other = nth(lines, 'carol/phone', 'invoke', 2);
      [lines[one.at], lines[other.at]] = [other.line, one.line];
      // The answers follow the invocations they belong to.
      const early = nth(lines, 'carol/phone', 'ok', 1);
      const late = nth(lines, 'carol/phone', 'ok', 2);
      [lines[early.at], lines[late.at]] = [late.line, early.line];
    },
  },
  {
    name: 'two histories of one conversation',
    rules: ['I8'],
    mutate: (lines) => void nth(lines, 'bob/phone', 'history', 0).line.messages.pop(),
  },
  {
    name: 'more unreceipted than the window allows',
    rules: ['I13'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'connected', 1).line.window = 1),
  },
];

describe('the history checker', () => {
  test('finds nothing in the log of a perfect run', () => {
    const verdict = check(GoodLog.make());
    expect(verdict.violations).toEqual([]);
    expect(verdict.counts).toMatchObject({ devices: 5, sends: 21, stored: 19, conversations: 2 });
  });

  test.each(mutants)('catches $name', ({ rules, mutate }) => {
    const lines = structuredClone(GoodLog.make());
    mutate(lines);
    const found = new Set(check(lines).violations.map(({ rule }) => rule));
    expect([...found].filter((rule) => rules.includes(rule))).not.toEqual([]);
  });

  describe('availability', () => {
    const limits = { answeredWithinMs: 5, graceMs: 3 };
    /** Alice's first message, answered so many milliseconds after it was sent; a line is a millisecond later than the one before. */
    function slow(...faults: [at: number, over: boolean][]): Verdict {
      const lines = structuredClone(GoodLog.make());
      const sent = nth(lines, 'alice/phone', 'invoke', 0).at;
      const answer = nth(lines, 'alice/phone', 'ok', 0).line;
      lines.forEach((line, at) => (line.t = 1000 * at));
      lines.forEach((line) => {
        if (line.ev === 'ok' || line.ev === 'fail') line.t = 0;
      });
      answer.t = 1000 * sent + 20;
      const at = (ms: number): number => 1000 * sent + ms;
      const checker = new HistoryChecker(limits);
      for (const [ms, over] of faults) checker.add({ user: '-', device: '-', t: at(ms), ev: 'fault', what: 'x', over });
      for (const line of lines)
        if (line.ev !== 'unknown' && line.ev !== 'invoke') checker.add(line);
        else if (line === lines[sent]) checker.add(line);
      return checker.finish();
    }
    const found = (verdict: Verdict): number => verdict.violations.filter(({ rule }) => rule === 'I15').length;

    test('a late answer while nothing is broken is a violation', () => expect(found(slow())).toBe(1));
    test('the same during a fault is none', () => expect(found(slow([10, false], [12, true]))).toBe(0));
    test('nor soon after one', () => expect(found(slow([-10, false], [-2, true]))).toBe(0));
    test('but long after one it is', () => expect(found(slow([-10, false], [-4, true]))).toBe(1));
    test('a fault that does not end excuses what follows', () => expect(found(slow([-10, false]))).toBe(0));
  });

  test('takes a bound that a test states', () => {
    const at = (value: number): Verdict =>
      check([{ user: 'offline', device: '1', t: 0, ev: 'bound', what: 'lag', value, atMost: 0 }]);
    expect(at(0).violations).toEqual([]);
    expect(at(3).violations).toEqual([{ rule: 'I13', where: 'offline/1', what: 'lag is 3, at most 0' }]);
  });

  test('takes time in proportion to the log', () => {
    const time = (rounds: number): number => {
      const lines = GoodLog.make(rounds);
      const from = performance.now();
      check(lines);
      return performance.now() - from;
    };
    time(200);
    // Twenty times the lines; a quadratic one would take four hundred times as long.
    expect(time(2000)).toBeLessThan(100 * Math.max(1, time(100)));
  });

  test('refuses what is no line of a log', () => {
    expect(() => parseLogLine('{"ev":"quiet"}')).toThrow(SyntaxError);
    expect(() => parseLogLine('nonsense')).toThrow(SyntaxError);
  });
});
