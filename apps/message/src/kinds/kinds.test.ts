import { expect, test } from '@jest/globals';
import { EVENT_KINDS } from '@huizhi/protocol';
import { kindOf } from './kinds.js';

test('every kind has its own name and its own code for the database', () => {
  const kinds = EVENT_KINDS.map((name) => kindOf(name));
  expect(kinds.map((kind) => kind?.name)).toEqual(EVENT_KINDS);
  const codes = kinds.map((kind) => kind?.code ?? 0);
  expect(new Set(codes).size).toBe(codes.length);
  for (const code of codes) expect(code).toBeGreaterThan(0);
});

test('an unknown name has no kind, also when every object has a property of that name', () => {
  for (const name of ['', 'constructor', '__proto__', 'Message']) expect(kindOf(name)).toBeUndefined();
});
