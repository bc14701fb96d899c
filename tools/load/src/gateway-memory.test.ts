import { expect, test } from '@jest/globals';
import { judgeFlat, RSS } from './gateway-memory.js';

const samples = (rss: (n: number) => number, count = 60): Record<string, number>[] =>
  Array.from({ length: count }, (_, n) => ({ second: 5 * n, [RSS]: rss(n) }));

test('judgeFlat() reports no fault when RSS grows in the warm-up only and fluctuates afterwards', () => {
  const judged = judgeFlat(samples((n) => Math.min(200, 100 + 5 * n) + 30 * (n % 2)));
  expect(judged).toEqual({ before: 215, after: 215, faults: [] });
});

test('judgeFlat() reports a fault when RSS in the last third is more than 5 % above the second', () => {
  expect(judgeFlat(samples((n) => 200 + n)).faults).toEqual(["the gateway's RSS grew from 229.5 to 249.5 MiB"]);
  expect(judgeFlat(samples((n) => 200 + n / 3)).faults).toEqual([]);
});

test('judgeFlat() reports a fault when a soak is too short to judge', () => {
  expect(judgeFlat(samples(() => 200, 10)).faults).toEqual(['10 samples are too few to judge']);
});
