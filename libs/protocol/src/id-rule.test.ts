import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { idProblem, ID_PATTERN, isUserID, MAX_ID_LENGTH } from './id-rule.js';

interface IdRow {
  name: string;
  id: string;
  problem?: string;
}
const rows = (JSON.parse(readFileSync(new URL('../fixtures/ids.json', import.meta.url), 'utf8')) as { rows: IdRow[] })
  .rows;
const PATTERN = new RegExp(ID_PATTERN, 'u');

test.each(rows)('an id: $name', ({ id, problem }) => {
  expect(idProblem(id)).toEqual(problem === undefined ? undefined : expect.stringContaining(problem));
  expect(isUserID(id)).toBe(problem === undefined);
  // The pattern covers all of the rule except NFC.
  const bySchema = PATTERN.test(id) && [...id].length <= MAX_ID_LENGTH;
  expect(bySchema).toBe(problem === undefined || problem.includes('NFC'));
});

test('isUserID agrees with the rule for any text', () => {
  const byTheRule = (text: string): boolean =>
    [...text].length >= 1 &&
    [...text].length <= 255 &&
    [...text].every((each) => each === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(each)) &&
    text.trim() === text &&
    text.normalize('NFC') === text;
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme' }),
  );
  fc.assert(
    fc.property(text, (each) => expect(isUserID(each)).toBe(byTheRule(each))),
    { numRuns: 2_000 },
  );
});

test.each([undefined, null, 1, {}, ['alice']])('isUserID refuses %j', (value) => expect(isUserID(value)).toBe(false));

test.each([
  ['combining marks in the wrong order', '\u0301\u0323'.repeat(127)],
  ['combining marks in the right order', `a${'\u0323'.repeat(254)}`],
  ['spaces inside', `a${' '.repeat(253)}a`],
  ['spaces at the end', `a${' '.repeat(254)}`],
  ['a megabyte of letters', 'a'.repeat(1_000_000)],
  ['a megabyte of marks', '\u0301'.repeat(1_000_000)],
  ['a megabyte of spaces', `a${' '.repeat(1_000_000)}`],
])('idProblem takes less than a millisecond for %s', (_, text) => {
  const ROUNDS = 200;
  const began = process.cpuUsage();
  for (let n = 0; n < ROUNDS; n++) idProblem(text);
  const { user, system } = process.cpuUsage(began);
  // Measured: 0.1 to 130 µs, with the maximum for marks that NFC reorders. Without the check of the length first it
  // would take milliseconds to hours.
  expect((user + system) / ROUNDS).toBeLessThan(1_000);
});
