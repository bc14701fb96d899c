import { describe, expect, test } from '@jest/globals';
import { Backoff, pause } from './backoff.js';

describe('Backoff', () => {
  test('doubles the bound up to the cap and starts again after a reset', () => {
    const backoff = new Backoff(100, 1_000, () => 0.999);
    const waits = Array.from({ length: 6 }, () => backoff.next());
    expect(waits).toEqual([99, 199, 399, 799, 999, 999]);
    backoff.reset();
    expect(backoff.next()).toBe(99);
  });

  test('waits at least 1 ms, so that a loop cannot spin', () => {
    expect(new Backoff(100, 1_000, () => 0).next()).toBe(1);
  });

  test('stays finite after very many attempts', () => {
    const backoff = new Backoff(100, 1_000, () => 0.5);
    for (let i = 0; i < 5_000; i += 1) backoff.next();
    expect(backoff.next()).toBe(500);
  });
});

test('a pause ends early when its signal is aborted before or during it', async () => {
  const controller = new AbortController();
  const waiting = pause(60_000, controller.signal);
  controller.abort();
  await waiting;
  await pause(60_000, controller.signal);
});
