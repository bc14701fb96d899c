import { expect, test } from '@jest/globals';
import { LoginRateLimiter } from './login-rate-limiter.js';

test('the limiter allows a user a burst of logins per address, then one per second', () => {
  let now = 0;
  const attempts = new LoginRateLimiter(3, 100, () => now);
  const take = () => attempts.take('10.0.0.1', 'alice');
  expect([take(), take(), take(), take()]).toEqual([true, true, true, false]);
  expect(attempts.take('10.0.0.2', 'alice')).toBe(true);
  expect(attempts.take('10.0.0.1', 'bob')).toBe(true);
  now += 1_000;
  expect([take(), take()]).toEqual([true, false]);
});

test('the limiter limits different failures per address, restores ten per second, and delays no valid login', () => {
  let now = 0;
  const attempts = new LoginRateLimiter(1_000, 4, () => now);
  for (let n = 0; n < 4; n++) expect(attempts.failed('10.0.0.1', 'alice', `guess${n}`)).toBe(true);
  expect(attempts.failed('10.0.0.1', 'bob', 'guess')).toBe(false);
  expect(attempts.failed('10.0.0.2', 'bob', 'guess')).toBe(true);
  expect(attempts.take('10.0.0.1', 'alice')).toBe(true);
  now += 100;
  expect([attempts.failed('10.0.0.1', 'bob', 'guess'), attempts.failed('10.0.0.1', 'bob', 'other')]).toEqual([
    true,
    false,
  ]);
});

test('the limiter counts the same bad token once per interval, also when the limit is reached', () => {
  let now = 0;
  const attempts = new LoginRateLimiter(1_000, 2, () => now);
  const again = () => attempts.failed('10.0.0.1', 'alice', 'expired');
  for (let n = 0; n < 100; n++) expect(again()).toBe(true);
  expect(attempts.failed('10.0.0.1', 'bob', 'expired')).toBe(true);
  expect(attempts.failed('10.0.0.1', 'carol', 'expired')).toBe(false);
  expect(again()).toBe(true);
  now += 600_000;
  const more = ['x', 'y', 'z'].map((guess) => attempts.failed('10.0.0.1', 'mallory', guess));
  expect([more, again()]).toEqual([[true, true, false], false]);
});

test('the limiter remembers a bounded number of addresses, users and failures', () => {
  const attempts = new LoginRateLimiter(3, 3, () => 0);
  for (let n = 0; n < 50_000; n++) {
    const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    attempts.take(address, 'alice');
    attempts.failed(address, 'alice', 'guess');
  }
  expect(attempts.size).toBeLessThanOrEqual(60_000);
  const last = '10.0.195.79';
  expect([attempts.take(last, 'alice'), attempts.take(last, 'alice'), attempts.take(last, 'alice')]).toEqual([
    true,
    true,
    false,
  ]);
});
