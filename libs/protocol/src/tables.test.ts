import { expect, test } from '@jest/globals';
import { closeTable, mayReconnect } from './closes.js';
import { ProtocolError, errorTable, type ErrorName } from './errors.js';

const errors = Object.entries(errorTable);
const closes = Object.entries(closeTable);
const isSentence = /^[A-Z].*\.$/;

test('each code occurs once', () => {
  const codes = [...errors, ...closes].map(([, { code }]) => code);
  expect(new Set(codes).size).toBe(codes.length);
});

test.each(errors)('error %s has a code in the range of its `temporary` value', (name, row) => {
  expect(name).toMatch(/^[a-z][A-Za-z]*$/);
  expect(row.meaning).toMatch(isSentence);
  expect(Number.isInteger(row.code)).toBe(true);
  expect(row.code).toBeGreaterThanOrEqual(row.temporary ? 2000 : 1000);
  expect(row.code).toBeLessThan(row.temporary ? 3000 : 2000);
});

test.each(closes)('close %s has a code in the range of its reconnect rule', (name, row) => {
  expect(name).toMatch(/^[a-z][A-Za-z]*$/);
  expect(row.meaning).toMatch(isSentence);
  const [first, end] = mayReconnect(row.code) ? [4000, 4100] : [4500, 4600];
  expect(row.code).toBeGreaterThanOrEqual(first);
  expect(row.code).toBeLessThan(end);
});

test('codes keep their values, because clients have them compiled in', () => {
  const codesOf = (rows: [string, { code: number }][]) =>
    Object.fromEntries(rows.map(([name, { code }]) => [name, code]));
  expect(codesOf(errors)).toMatchObject({
    badFrame: 1000,
    loginRequired: 1100,
    conflict: 1200,
    unknown: 2000,
    resendInOrder: 2002,
  });
  expect(codesOf(closes)).toMatchObject({ drain: 4000, kicked: 4500 });
});

test('a ProtocolError has the code of its row', () => {
  for (const [name, { code }] of errors) {
    const error = new ProtocolError(name as ErrorName, 'why');
    expect({ ...error, name: error.name, message: error.message }).toEqual({
      error: name,
      code,
      name: 'ProtocolError',
      message: 'why',
    });
  }
});
