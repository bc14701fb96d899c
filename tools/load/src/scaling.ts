import { round } from './cpu.js';
import type { Mode } from './mode.js';
import { PairLoad, type Measured } from './pair-load.js';
import { ASKED, LATE, REACHED } from './validity.js';

const SIZES = [200, 2_000];
/** Factor on the warm-up of the later measurements. */
const FIRST_WARM_UP = 3;

/**
 * The same rate with increasing numbers of sessions: CPU per message should not depend on the number of connections.
 */
export const growth: Mode = {
  description: 'CPU per message at the same rate with 200, 2,000 and --sessions sessions',
  defaults: { sessions: 10_000, rate: 2000, warmUp: 5, seconds: 15, bytes: 250 },
  unit: 'message',
  check: ({ sessions }) => (sessions % 2 === 0 ? undefined : '--sessions must be even: each session has a peer'),
  gatewayEnv: ({ rate }) => ({ HZ_FRAMES_PER_SECOND: String(Math.max(100, Math.ceil((2 * rate) / 200))) }),
  async run(system, { sessions, rate, warmUp, seconds, bytes }, print) {
    const load = new PairLoad(system, bytes);
    const stages: [size: number, measured: Measured][] = [];
    try {
      for (const size of [...SIZES.filter((each) => each < sessions), sessions]) {
        await load.growTo(size);
        print(`· ${size} sessions, at ${rate}/s`);
        // Code that is still being compiled would make the first measurement expensive and hide the cost of growth.
        const warming = stages.length === 0 ? FIRST_WARM_UP * warmUp : warmUp;
        stages.push([size, await load.measure({ rate, warmUp: warming, seconds })]);
      }
      const [first, last] = [stages[0]?.[1] as Measured, stages.at(-1)?.[1] as Measured];
      const each = <T>(name: string, of: (one: Measured) => T): [string, T][] =>
        stages.map(([size, measured]) => [`${name}, ${size} sessions`, of(measured)]);
      return {
        faults: load.faults(),
        figures: {
          [ASKED]: rate,
          [REACHED]: Math.min(...stages.map(([, { reached }]) => reached)),
          ...Object.fromEntries(each("services' CPU µs per message", ({ cpu }) => cpu.services)),
          'growth (times)': round(last.cpu.services / first.cpu.services),
        },
        latencies: {
          ...Object.fromEntries(each('end-to-end delivery', ({ deliveries }) => deliveries)),
          [LATE]: last.lateness,
        },
        cpu: last.cpu,
      };
    } finally {
      load.close();
    }
  },
};
