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
  test('reports no violation for the log of a correct run', () => {
    const verdict = check(GoodLog.make());
    expect(verdict.violations).toEqual([]);
    expect(verdict.counts).toMatchObject({ devices: 6, sends: 21, stored: 19, conversations: 2 });
  });

  test.each(mutants)('reports a violation for $name', ({ rules, mutate }) => {
    const lines = structuredClone(GoodLog.make());
    mutate(lines);
    const found = new Set(check(lines).violations.map(({ rule }) => rule));
    expect([...found].filter((rule) => rules.includes(rule))).not.toEqual([]);
  });

  describe('availability', () => {
    const limits = { answeredWithinMs: 5, graceMs: 3 };
    /** Alice's first message, answered 20 ms after its send; each log line is 1,000 ms after the previous one. */
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

    test('a late answer without a fault is a violation', () => expect(found(slow())).toBe(1));
    test('a late answer during a fault is no violation', () => expect(found(slow([10, false], [12, true]))).toBe(0));
    test('a late answer within the grace time after a fault is no violation', () =>
      expect(found(slow([-10, false], [-2, true]))).toBe(0));
    test('a late answer after the grace time is a violation', () =>
      expect(found(slow([-10, false], [-4, true]))).toBe(1));
    test('two faults of one name last until both have ended', () => {
      expect(found(slow([-20, false], [-18, false], [-16, true], [1, true]))).toBe(0);
      expect(found(slow([-20, false], [-18, false], [-16, true], [-10, true]))).toBe(1);
    });
    test('a fault that does not end excuses all later answers', () => expect(found(slow([-10, false]))).toBe(0));
  });

  test('requires no second receipt when an entry is redelivered between receipt and confirm', () => {
    const lines = GoodLog.make();
    nth(lines, 'dave/phone', 'connected', 0).line.window = 1;
    const again = nth(lines, 'dave/phone', 'received', 2).line;
    lines.splice(nth(lines, 'dave/phone', 'receipted', 2).at + 1, 0, again);
    expect(check(lines).violations).toEqual([]);
  });

  test('checks a bound that a test states', () => {
    const at = (value: number): Verdict =>
      check([{ user: 'offline', device: '1', t: 0, ev: 'bound', what: 'lag', value, atMost: 0 }]);
    expect(at(0).violations).toEqual([]);
    expect(at(3).violations).toEqual([{ rule: 'I13', where: 'offline/1', what: 'lag is 3, at most 0' }]);
  });

  test('takes time proportional to the length of the log', () => {
    const time = (rounds: number): number => {
      const lines = GoodLog.make(rounds);
      const from = performance.now();
      check(lines);
      return performance.now() - from;
    };
    time(200);
    // Twenty times the lines; a quadratic check would take four hundred times as long.
    expect(time(2000)).toBeLessThan(100 * Math.max(1, time(100)));
  });

  test('refuses a line that is not a log line', () => {
    expect(() => parseLogLine('{"ev":"quiet"}')).toThrow(SyntaxError);
    expect(() => parseLogLine('nonsense')).toThrow(SyntaxError);
  });
});
