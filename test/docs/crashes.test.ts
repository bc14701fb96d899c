import { expect, test } from '@jest/globals';
import { plain, read, rowsOf, titlesOf } from './named-tests.js';

/** docs/decisions/crashes.md names a test for each crash scenario. Checks that these tests exist and run. */

const rows = rowsOf(read('docs/decisions/crashes.md'))
  .filter(([, file]) => file?.endsWith('.test.ts`'))
  .map(([scenario = '', file, title]) => ({ scenario, file: plain(file), title }));

test('crashes.md has a row for each scenario', () => {
  const numbers = [...Array.from({ length: 26 }, (_, n) => `${n + 1}`), '12a', '12b', '19a', '23a', '31', '33'];
  const named = new Set(rows.map(({ scenario }) => scenario.split(' ')[0]));
  expect(numbers.filter((number) => !named.has(number))).toEqual([]);
});

test.each(rows)('scenario $scenario: $file has the named test, and it runs', ({ file, title }) => {
  expect(titlesOf(file)).toContain(title);
});
