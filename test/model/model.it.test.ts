import { afterAll, beforeAll, test } from '@jest/globals';
import fc from 'fast-check';
import { eventually } from '@huizhi/dev-env';
import { ModelCluster } from './model-cluster.js';
import { checkRuns } from './runs.js';
import { judgeLanes } from './stored.js';

const RUNS = Number(process.env['HZ_RUNS'] ?? 400);
const SEED = Number(process.env['HZ_SEED'] ?? Date.now() % 1_000_000);
const PATH = process.env['HZ_PATH'];
/** Shrinking a counterexample takes long, so it must be requested. */
const HASTY = process.env['HZ_SHRINK'] !== 'on';
/** Number of test clusters. Runs mostly wait, and clusters are not affected by each other's crashes. */
const CLUSTERS = PATH === undefined ? 4 : 1;

let clusters: ModelCluster[] = [];
beforeAll(async () => {
  clusters = await Promise.all(Array.from({ length: CLUSTERS }, () => ModelCluster.start()));
}, 60_000);
afterAll(() => Promise.all(clusters.map((cluster) => cluster.stop())), 60_000);

/** Checks the tables: no lane has a gap, and the inboxes have applied all events. */
async function judgeHouse(cluster: ModelCluster): Promise<void> {
  let wrong: string[] = [];
  const isRight = async (): Promise<boolean> => {
    wrong = await judgeLanes(cluster);
    return wrong.length === 0;
  };
  await eventually('the lanes', isRight).catch((error: Error) => {
    throw new Error([error.message, ...wrong].join('\n'));
  });
}

test(
  'the invariants hold under random commands of devices and random faults',
  async () => {
    const started = Date.now();
    const share = Math.ceil(RUNS / CLUSTERS);
    const details = await Promise.all(
      clusters.map((cluster, n) =>
        checkRuns(cluster, {
          ...{ seed: SEED + n, runs: share, trouble: 12, hasty: HASTY },
          ...(PATH !== undefined && { path: PATH }),
        }),
      ),
    );
    const done = details.reduce((sum, one) => sum + one.numRuns, 0);
    process.stderr.write(`model: ${done} runs, seeds ${SEED} to ${SEED + CLUSTERS - 1}, ${Date.now() - started} ms\n`);
    for (const one of details) {
      if (one.failed) throw new Error(`${await fc.asyncDefaultReportMessage(one)}\n${String(one.errorInstance)}`);
    }
    for (const cluster of clusters) await judgeHouse(cluster);
  },
  Math.max(120_000, RUNS * 500),
);
