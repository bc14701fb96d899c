import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventually } from '@huizhi/dev-env';
import { carryOut, openWay, plan, type Way } from './faults.js';
import { mutants } from './mutants.js';
import { judgeLanes } from './stored.js';

const RUNS = Number(process.env['HZ_FAULT_RUNS'] ?? 100);
const SEED = Number(process.env['HZ_SEED'] ?? Date.now() % 1_000_000);
const WAYS = 3;

const checked = (way: Way, seed: number, numRuns: number) =>
  fc.check(
    fc.asyncProperty(plan, (one) => carryOut(way, one)),
    { seed, numRuns, endOnFailure: true },
  );

describe('with unmodified services', () => {
  let ways: Way[] = [];
  beforeAll(async () => {
    ways = await Promise.all(Array.from({ length: WAYS }, () => openWay()));
  }, 60_000);
  afterAll(() => Promise.all(ways.map((way) => way.stop())), 60_000);

  test(
    'lanes and inboxes are correct after lost, delayed and duplicated bus messages and unknown commits',
    async () => {
      const started = Date.now();
      const numRuns = Math.ceil(RUNS / WAYS);
      const details = await Promise.all(ways.map((way, n) => checked(way, SEED + n, numRuns)));
      process.stderr.write(`faults: ${numRuns * WAYS} runs, seeds from ${SEED}, ${Date.now() - started} ms\n`);
      for (const one of details) {
        if (one.failed) throw new Error(`${await fc.asyncDefaultReportMessage(one)}\n${String(one.errorInstance)}`);
      }
      for (const { cluster } of ways) {
        await eventually('heads and vectors', async () => (await judgeLanes(cluster)).length === 0);
      }
    },
    Math.max(120_000, RUNS * 1_000),
  );
});

test.each(mutants.flatMap(({ name, faults, seed }) => (faults ? [{ name, says: faults, seed }] : [])))(
  'the stored rows show $name',
  async ({ says, seed }) => {
    const takeBack = seed();
    const found = await runsOf(60).finally(takeBack);
    expect(String(found.errorInstance)).toMatch(says);
    // The violation itself must be reported, not a wait that timed out.
    expect(String(found.errorInstance)).not.toContain('waited');
    expect(await runsOf(found.numRuns)).toMatchObject({ failed: false });
  },
  120_000,
);

/** The first runs of one seed, in a separate test cluster. */
async function runsOf(count: number) {
  const way = await openWay();
  const details = await checked(way, 1, count).finally(() => way.stop());
  process.stderr.write(`  ${details.numRuns} runs: ${String(details.errorInstance)}\n`);
  return details;
}
