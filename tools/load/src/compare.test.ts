import { expect, test } from '@jest/globals';
import { differences, optionsThatDiffer } from './compare.js';
import { least, median, most, reduced } from './medians.js';
import type { Measurement, SavedResult } from './result.js';

const measured = (perUnit: Record<string, number>): Measurement => ({
  figures: {},
  latencies: { delivery: { count: 1, p50: 1, p90: 2, p99: 3, max: 4 } },
  cpu: { seconds: 1, perUnit, services: 0, ourCores: 1, otherCores: 0, stolenCores: 0 },
});

function result(perUnit: Record<string, number>, calibration = 10): SavedResult {
  const machine = { cpu: 'a', cores: 2, memoryGiB: 4, system: 'linux', node: 'v20' };
  const options = { sessions: 200, rate: 2000 };
  const fixed = { format: 2, date: '', commit: '', mode: 'throughput', command: '', unit: 'message' } as const;
  const calibrations = { before: calibration, after: calibration };
  return { ...fixed, machine, options, calibration: calibrations, runs: [], median: measured(perUnit) };
}

const over = (before: SavedResult, after: SavedResult, limit = 1.25) =>
  differences(before, after, limit)
    .filter((each) => each.over)
    .map(({ name }) => name);

test('a service is over when it uses more than the limit allows, and the generator never is', () => {
  const before = result({ gateway: 100, message: 40, generator: 80 });
  expect(over(before, result({ gateway: 125, message: 50, generator: 200 }))).toEqual([]);
  expect(over(before, result({ gateway: 126, message: 50, generator: 80 }))).toEqual(['gateway']);
});

test('a few microseconds are not over, however many times that is', () => {
  expect(over(result({ nats: 4 }), result({ nats: 9 }))).toEqual([]);
  expect(over(result({ nats: 4 }), result({ nats: 9.1 }))).toEqual(['nats']);
});

test('a machine that is half as fast may use twice the CPU', () => {
  expect(over(result({ gateway: 100 }), result({ gateway: 200 }, 20))).toEqual([]);
  expect(over(result({ gateway: 100 }), result({ gateway: 100 }, 5))).toEqual(['gateway']);
});

test('other options are other work', () => {
  const other = { ...result({}), options: { sessions: 200, rate: 5000 } };
  expect(optionsThatDiffer(result({}), other)).toEqual(['rate 2000 before, 5000 after']);
});

test('each figure of several runs is reduced for itself', () => {
  const runs = [
    { gateway: 3, nats: 1 },
    { gateway: 1, nats: 2 },
    { gateway: 2, nats: 9 },
  ].map(measured);
  expect(reduced(runs, median).cpu.perUnit).toEqual({ gateway: 2, nats: 2 });
  expect(reduced(runs, least).cpu.perUnit).toEqual({ gateway: 1, nats: 1 });
  expect(reduced(runs, most).latencies).toEqual(runs[0]?.latencies);
  expect(median([4, 1])).toBe(2.5);
});
