import { expect, test } from '@jest/globals';
import { judgeFlat, RSS } from './gateway-memory.js';

const samples = (rss: (n: number) => number, count = 60): Record<string, number>[] =>
  Array.from({ length: count }, (_, n) => ({ second: 5 * n, [RSS]: rss(n) }));

test('RSS is flat when it has grown in the warm-up only, however it goes up and down', () => {
  const judged = judgeFlat(samples((n) => Math.min(200, 100 + 5 * n) + 30 * (n % 2)));
  expect(judged).toEqual({ before: 215, after: 215, faults: [] });
});

test('RSS is not flat when the last third is more than 5 % above the second', () => {
  expect(judgeFlat(samples((n) => 200 + n)).faults).toEqual(["the gateway's RSS grew from 229.5 to 249.5 MiB"]);
  expect(judgeFlat(samples((n) => 200 + n / 3)).faults).toEqual([]);
});

test('a soak that is too short to be judged is a fault', () => {
  expect(judgeFlat(samples(() => 200, 10)).faults).toEqual(['10 samples are too few to judge']);
});
