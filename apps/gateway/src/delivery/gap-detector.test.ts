import { expect, test } from '@jest/globals';
import { GapDetector } from './gap-detector.js';

test('notices what was not heard, from the first word on', () => {
  const gaps = new GapDetector();
  expect([gaps.hasGap('a', 1, false), gaps.hasGap('a', 2, false), gaps.hasGap('a', 1, true)]).toEqual([
    false,
    true,
    true,
  ]);
  gaps.received('a', 1);
  expect([gaps.hasGap('a', 2, false), gaps.hasGap('a', 1, true), gaps.hasGap('a', 3, false)]).toEqual([
    false,
    false,
    true,
  ]);
  expect(gaps.hasGap('b', 1, false)).toBe(false);
});

test('takes a number that goes back for someone who has started anew', () => {
  const gaps = new GapDetector();
  gaps.received('a', 9);
  expect(gaps.hasGap('a', 1, false)).toBe(true);
  gaps.received('a', 1);
  expect(gaps.hasGap('a', 2, false)).toBe(false);
});

test('remembers a bounded number of speakers', () => {
  const gaps = new GapDetector();
  for (let i = 0; i < 1_000; i++) gaps.received(`i${i}`, 5);
  expect(gaps.hasGap('i999', 6, false)).toBe(false);
  expect(gaps.hasGap('i0', 6, false)).toBe(true);
});
