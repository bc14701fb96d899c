import { expect, test } from '@jest/globals';
import { Talk } from './talk.js';

test('notices what was not heard, from the first word on', () => {
  const talk = new Talk();
  expect([talk.hasHole('a', 1, false), talk.hasHole('a', 2, false), talk.hasHole('a', 1, true)]).toEqual([
    false,
    true,
    true,
  ]);
  talk.heard('a', 1);
  expect([talk.hasHole('a', 2, false), talk.hasHole('a', 1, true), talk.hasHole('a', 3, false)]).toEqual([
    false,
    false,
    true,
  ]);
  expect(talk.hasHole('b', 1, false)).toBe(false);
});

test('takes a number that goes back for someone who has started anew', () => {
  const talk = new Talk();
  talk.heard('a', 9);
  expect(talk.hasHole('a', 1, false)).toBe(true);
  talk.heard('a', 1);
  expect(talk.hasHole('a', 2, false)).toBe(false);
});

test('remembers a bounded number of speakers', () => {
  const talk = new Talk();
  for (let i = 0; i < 1_000; i++) talk.heard(`i${i}`, 5);
  expect(talk.hasHole('i999', 6, false)).toBe(false);
  expect(talk.hasHole('i0', 6, false)).toBe(true);
});
