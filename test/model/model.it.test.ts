import { afterAll, beforeAll, test } from '@jest/globals';
import fc from 'fast-check';
import { House } from './house.js';
import { checkRuns } from './runs.js';

const RUNS = Number(process.env['HZ_RUNS'] ?? 2_000);
const SEED = Number(process.env['HZ_SEED'] ?? Date.now() % 1_000_000);
const PATH = process.env['HZ_PATH'];
/** Without: the first counterexample is made smaller, which takes time. */
const HASTY = process.env['HZ_SHRINK'] === 'off';
const PATIENCE_MS = 8_000;
/** Runs wait more than they compute; each house runs its own, undisturbed by the others' crashes. */
const HOUSES = PATH === undefined ? 4 : 1;

let houses: House[] = [];
beforeAll(async () => {
  houses = await Promise.all(Array.from({ length: HOUSES }, () => House.start()));
}, 60_000);
afterAll(() => Promise.all(houses.map((house) => house.stop())), 60_000);

test(
  'whatever devices do and whatever breaks, the promises hold',
  async () => {
    const started = Date.now();
    const share = Math.ceil(RUNS / HOUSES);
    const details = await Promise.all(
      houses.map((house, n) =>
        checkRuns(house, {
          ...{ seed: SEED + n, runs: share, trouble: 12, patienceMs: PATIENCE_MS, hasty: HASTY },
          ...(PATH !== undefined && { path: PATH }),
        }),
      ),
    );
    const done = details.reduce((sum, one) => sum + one.numRuns, 0);
    process.stderr.write(`model: ${done} runs, seeds ${SEED} to ${SEED + HOUSES - 1}, ${Date.now() - started} ms\n`);
    for (const one of details) {
      if (one.failed) throw new Error(`${await fc.asyncDefaultReportMessage(one)}\n${String(one.errorInstance)}`);
    }
  },
  Math.max(120_000, RUNS * 500),
);
