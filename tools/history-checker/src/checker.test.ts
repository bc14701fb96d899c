import { describe, expect, test } from '@jest/globals';
import { GoodLog } from './testing/good-log.js';
import { mutants, nth } from './testing/log-mutants.js';
import { HistoryChecker, type Verdict } from './checker.js';
import { parseLogLine, type LogLine } from './log.js';

function check(lines: readonly LogLine[]): Verdict {
  const checker = new HistoryChecker();
  for (const line of lines) checker.add(parseLogLine(JSON.stringify(line)));
  return checker.finish();
}

describe('the history checker', () => {
  test('finds nothing in the log of a perfect run', () => {
    const verdict = check(GoodLog.make());
    expect(verdict.violations).toEqual([]);
    expect(verdict.counts).toMatchObject({ devices: 6, sends: 21, stored: 19, conversations: 2 });
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
    test('two of one name at a time last until both are over', () => {
      expect(found(slow([-20, false], [-18, false], [-16, true], [1, true]))).toBe(0);
      expect(found(slow([-20, false], [-18, false], [-16, true], [-10, true]))).toBe(1);
    });
    test('a fault that does not end excuses what follows', () => expect(found(slow([-10, false]))).toBe(0));
  });

  test('what comes again between its receipt and the confirmation is owed no second receipt', () => {
    const lines = GoodLog.make();
    nth(lines, 'dave/phone', 'connected', 0).line.window = 1;
    const again = nth(lines, 'dave/phone', 'received', 2).line;
    lines.splice(nth(lines, 'dave/phone', 'receipted', 2).at + 1, 0, again);
    expect(check(lines).violations).toEqual([]);
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
