import fc from 'fast-check';
import { steps, type Step } from './commands.js';
import type { House } from './house.js';
import { Scene } from './scene.js';

export interface RunsOptions {
  readonly seed: number;
  /** Of one counterexample, as fast-check prints it. */
  readonly path?: string;
  readonly runs: number;
  /** Of a hundred commands, how many break something. */
  readonly trouble: number;
  /** Stop at the first counterexample instead of looking for a smaller one. */
  readonly hasty?: boolean;
}

/** Checks so many runs on one house, one after another. */
export async function checkRuns(house: House, options: RunsOptions): Promise<fc.RunDetails<[Iterable<Step>]>> {
  const { seed, path, runs, trouble, hasty = false } = options;
  const property = fc.asyncProperty(steps(trouble), async (commands) => {
    const scene = new Scene(house);
    try {
      await scene.begin();
      const setup = () => ({ model: scene.spec, real: scene });
      await fc.asyncModelRun(setup, commands).catch((error: unknown) => scene.explain(error));
      await scene.finish();
    } finally {
      scene.leave();
      house.heal();
    }
  });
  return fc.check(property, {
    ...{ seed, numRuns: runs, endOnFailure: hasty },
    ...(path !== undefined && { path }),
  });
}
