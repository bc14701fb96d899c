import { StalledConnections } from './stalled.js';
import { round } from './cpu.js';
import type { Mode } from './mode.js';
import { PairLoad } from './pair-load.js';
import { ASKED, LATE, REACHED } from './validity.js';

const STALLED = 2_000;
/** Maximum ratio of the p99 with stalled connections to the p99 without. */
const TOLERATED = 2;
const FIRST_WARM_UP = 3;

/**
 * Applies the same load twice: alone, and together with stalled connections. The deadlines that would close them are
 * longer than the run: closed clients that reconnect would cause handshakes, which this mode does not measure.
 */
export const hostile: Mode = {
  description: `latency together with ${STALLED} stalled connections, compared to latency without them`,
  defaults: { sessions: 200, rate: 1000, warmUp: 5, seconds: 20, bytes: 250 },
  unit: 'message',
  beside: STALLED,
  check: ({ sessions }) => (sessions % 2 === 0 ? undefined : '--sessions must be even: each session has a peer'),
  gatewayEnv: ({ rate, sessions }) => ({
    HZ_FRAMES_PER_SECOND: String(Math.max(100, Math.ceil((2 * rate) / sessions))),
    ...{
      HZ_LOGIN_DEADLINE: '1h',
      HZ_FRAME_DEADLINE: '1h',
      HZ_WRITE_STALL: '1h',
      HZ_RECEIPT_OVERDUE: '1h',
      HZ_HEARTBEAT_MIN: '1h',
    },
  }),
  async run(system, { sessions, rate, warmUp, seconds, bytes }, print) {
    const load = new PairLoad(system, bytes);
    const crowd = new StalledConnections(system);
    try {
      await load.growTo(sessions);
      print(`· ${sessions} sessions alone, at ${rate}/s`);
      const alone = await load.measure({ rate, warmUp: FIRST_WARM_UP * warmUp, seconds });
      print(`· together with ${STALLED} stalled connections`);
      await crowd.gather(STALLED);
      const beside = await load.measure({ rate, warmUp, seconds });
      const times = round(beside.deliveries.p99 / alone.deliveries.p99);
      const tooSlow =
        times > TOLERATED ? [`the p99 of deliveries was ${times} times as long with stalled connections`] : [];
      return {
        faults: [...load.faults(), ...tooSlow, ...(await crowd.faults())],
        figures: {
          [ASKED]: rate,
          [REACHED]: Math.min(alone.reached, beside.reached),
          'stalled connections': STALLED,
          'p99 beside them (times)': times,
        },
        latencies: {
          'end-to-end delivery, alone': alone.deliveries,
          'end-to-end delivery, beside': beside.deliveries,
          [LATE]: beside.lateness,
        },
        cpu: beside.cpu,
      };
    } finally {
      crowd.disperse();
      load.close();
    }
  },
};
