import { expect, test } from '@jest/globals';
import { Attempts } from './attempts.js';

test('gives a user a burst of logins from an address, then one a second', () => {
  let now = 0;
  const attempts = new Attempts(3, 100, () => now);
  const take = () => attempts.take('10.0.0.1', 'alice');
  expect([take(), take(), take(), take()]).toEqual([true, true, true, false]);
  expect(attempts.take('10.0.0.2', 'alice')).toBe(true);
  expect(attempts.take('10.0.0.1', 'bob')).toBe(true);
  now += 1_000;
  expect([take(), take()]).toEqual([true, false]);
});

test('refuses an address that fails and fails, and takes it again after a while', () => {
  let now = 0;
  const attempts = new Attempts(1_000, 4, () => now);
  for (let n = 0; n < 4; n++) {
    expect(attempts.take('10.0.0.1', `user${n}`)).toBe(true);
    attempts.failed('10.0.0.1');
  }
  expect(attempts.take('10.0.0.1', 'alice')).toBe(false);
  expect(attempts.take('10.0.0.2', 'alice')).toBe(true);
  now += 1_000;
  expect(attempts.take('10.0.0.1', 'alice')).toBe(true);
});

test('remembers a bounded number of addresses and users, however many come', () => {
  const attempts = new Attempts(3, 3, () => 0);
  for (let n = 0; n < 50_000; n++) {
    attempts.take(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, 'alice');
    attempts.failed(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  }
  expect(attempts.size).toBeLessThanOrEqual(40_000);
  const last = '10.0.195.79';
  expect([attempts.take(last, 'alice'), attempts.take(last, 'alice'), attempts.take(last, 'alice')]).toEqual([
    true,
    true,
    false,
  ]);
});
