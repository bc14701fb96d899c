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

test('differences() marks a service over the limit, but never the generator', () => {
  const before = result({ gateway: 100, message: 40, generator: 80 });
  expect(over(before, result({ gateway: 125, message: 50, generator: 200 }))).toEqual([]);
  expect(over(before, result({ gateway: 126, message: 50, generator: 80 }))).toEqual(['gateway']);
});

test('differences() ignores excesses of a few microseconds at any factor', () => {
  expect(over(result({ nats: 4 }), result({ nats: 9 }))).toEqual([]);
  expect(over(result({ nats: 4 }), result({ nats: 9.1 }))).toEqual(['nats']);
});

test('differences() allows twice the CPU on a machine with half the speed', () => {
  expect(over(result({ gateway: 100 }), result({ gateway: 200 }, 20))).toEqual([]);
  expect(over(result({ gateway: 100 }), result({ gateway: 100 }, 5))).toEqual(['gateway']);
});

test('optionsThatDiffer() reports options that differ', () => {
  const other = { ...result({}), options: { sessions: 200, rate: 5000 } };
  expect(optionsThatDiffer(result({}), other)).toEqual(['rate 2000 before, 5000 after']);
});

test('reduced() reduces each figure of several runs separately', () => {
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
