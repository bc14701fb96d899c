import fc from 'fast-check';
import { steps, type Step } from './commands.js';
import type { ModelCluster } from './model-cluster.js';
import { ModelScenario } from './model-scenario.js';

export interface RunsOptions {
  readonly seed: number;
  /** The path of one counterexample, as fast-check prints it. */
  readonly path?: string;
  readonly runs: number;
  /** Percentage of commands that inject a fault. */
  readonly trouble: number;
  /** Stop at the first counterexample instead of shrinking it. */
  readonly hasty?: boolean;
}

/** Checks this many runs on one test cluster, one after another. */
export async function checkRuns(cluster: ModelCluster, options: RunsOptions): Promise<fc.RunDetails<[Iterable<Step>]>> {
  const { seed, path, runs, trouble, hasty = false } = options;
  const property = fc.asyncProperty(steps(trouble), async (commands) => {
    const scenario = new ModelScenario(cluster);
    try {
      await scenario.begin();
      const setup = () => ({ model: scenario.spec, real: scenario });
      await fc.asyncModelRun(setup, commands).catch((error: unknown) => scenario.explain(error));
      await scenario.finish();
    } finally {
      scenario.leave();
      cluster.heal();
    }
  });
  return fc.check(property, {
    ...{ seed, numRuns: runs, endOnFailure: hasty },
    ...(path !== undefined && { path }),
  });
}
