import { expect, test } from '@jest/globals';
import { ModelCluster } from './model-cluster.js';
import { mutants } from './mutants.js';
import { checkRuns } from './runs.js';

/** Runs within which the model must detect a mutant. Every mutant needs far fewer. */
const RUNS = 300;

test.each(mutants.flatMap(({ name, model, seed }) => (model ? [{ name, ...model, seed }] : [])))(
  'the model detects $name',
  async ({ seed, shownBy, says }) => {
    const takeBack = seed();
    const cluster = await ModelCluster.start();
    try {
      const trouble = shownBy === 'trouble' ? 35 : 0;
      const details = await checkRuns(cluster, { seed: 1, runs: RUNS, trouble, hasty: true });
      process.stderr.write(
        `  ${details.numRuns} runs: ${String(details.errorInstance).split('\n').slice(0, 3).join(' ')}\n`,
      );
      expect(details.failed).toBe(true);
      expect(String(details.errorInstance)).toMatch(says);
    } finally {
      takeBack();
      await cluster.stop();
    }
  },
  120_000,
);
