import { expect, test } from '@jest/globals';
import { GapDetector } from './gap-detector.js';

test('the gap detector reports missing numbers from the first message on', () => {
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

test('the gap detector accepts a number that goes back as a restarted instance', () => {
  const gaps = new GapDetector();
  gaps.received('a', 9);
  expect(gaps.hasGap('a', 1, false)).toBe(true);
  gaps.received('a', 1);
  expect(gaps.hasGap('a', 2, false)).toBe(false);
});

test('the gap detector remembers a bounded number of instances', () => {
  const gaps = new GapDetector();
  for (let i = 0; i < 1_000; i++) gaps.received(`i${i}`, 5);
  expect(gaps.hasGap('i999', 6, false)).toBe(false);
  expect(gaps.hasGap('i0', 6, false)).toBe(true);
});
