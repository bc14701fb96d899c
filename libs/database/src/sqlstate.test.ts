import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { CommitUnknownError } from './errors.js';
import { endsSession, proofOf, sqlStateOf } from './sqlstate.js';

function serverError(code: string, severity = 'ERROR'): pg.DatabaseError {
  const error = new pg.DatabaseError('the server says no', 0, 'error');
  return Object.assign(error, { code, severity });
}

describe('an error instead of the answer to a COMMIT', () => {
  test.each([
    ['a unique violation', '23505'],
    ['an invalid text', '22021'],
    ['a program limit', '54000'],
    ['a serialization failure', '40001'],
    ['a deadlock', '40P01'],
    ['an unavailable lock', '55P03'],
    ['a failed transaction', '25P02'],
    ['an error that a function raised', 'P0001'],
    ['an error that an owner raised', 'HZ001'],
  ])('%s proves that it was rolled back', (_, code) => {
    expect(proofOf(serverError(code))).toBe('rolledBack');
  });

  test.each([
    ['a full disk', '53100'],
    ['an input/output error', '58030'],
    ['an internal error', 'XX000'],
  ])('%s proves it only if the session continues, because a PANIC has the same code', (_, code) => {
    expect(proofOf(serverError(code))).toBe('rolledBackIfAlive');
  });

  test.each([
    ['a cancelled statement', '57014'],
    ['a shutdown', '57P01'],
    ['a crash', '57P02'],
    ['an idle transaction timeout', '25P03'],
    ['a transaction timeout', '25P04'],
    ['a pooler that lost the server', '08P01'],
    ['an unknown completion', '40003'],
  ])('%s proves nothing', (_, code) => {
    expect(proofOf(serverError(code))).toBe('nothing');
  });

  test('an error that is not from the server proves nothing, whichever code it has', () => {
    for (const error of [
      Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }),
      new CommitUnknownError('unheard'),
      undefined,
    ]) {
      expect(proofOf(error)).toBe('nothing');
      expect(sqlStateOf(error)).toBeUndefined();
    }
  });
});

test.each(['错误', 'FEHLER', 'ОШИБКА', ''])('the severity "%s" has no effect', (severity) => {
  expect(proofOf(serverError('23505', severity))).toBe('rolledBack');
  expect(endsSession(serverError('23505', severity))).toBe(false);
  expect(proofOf(serverError('57P01', severity))).toBe('nothing');
  expect(endsSession(serverError('57P01', severity))).toBe(true);
});

test('a session ends with the codes that are FATAL, and with no other', () => {
  const codes = ['57P01', '57P02', '57P03', '57P04', '57P05', '25P03', '25P04', '57014', '57000', '25P02', '40001'];
  expect(codes.filter((code) => endsSession(serverError(code)))).toEqual(codes.slice(0, 7));
});
