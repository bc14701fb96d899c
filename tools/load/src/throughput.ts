import { ASKED, LATE, REACHED } from './validity.js';
import type { Mode } from './mode.js';
import { PairLoad } from './pair-load.js';

/**
 * Open loop: message k is due at start + k / rate even when the system is slower; latency counts from then. The
 * sessions of all pairs send in turn.
 */
export const throughput: Mode = {
  description: 'pairs of sessions send at a fixed rate (open loop): latency of both receipts, CPU per message',
  defaults: { sessions: 200, rate: 2000, warmUp: 5, seconds: 20, bytes: 250 },
  unit: 'message',
  check: ({ sessions }) => (sessions % 2 === 0 ? undefined : '--sessions must be even: each session has a peer'),
  gatewayEnv: ({ rate, sessions }) => ({
    HZ_FRAMES_PER_SECOND: String(Math.max(100, Math.ceil((2 * rate) / sessions))),
  }),
  async run(system, { sessions, rate, warmUp, seconds, bytes }, print) {
    const load = new PairLoad(system, bytes);
    try {
      await load.growTo(sessions);
      print(`· ${sessions} sessions; ${warmUp} s warm-up, then ${seconds} s at ${rate}/s`);
      const { reached, settledIn, receipts, deliveries, lateness, cpu } = await load.measure({ rate, warmUp, seconds });
      return {
        faults: load.faults(),
        figures: {
          [ASKED]: rate,
          [REACHED]: reached,
          'sent in all': load.total((way) => way.sent),
          'receipted in all': load.total((way) => way.receipted),
          'delivered in all': load.total((way) => way.delivered),
          'delivered again': load.total((way) => way.redelivered),
          'temporary refusals': load.refusals,
          'settled after the end (ms)': settledIn,
        },
        latencies: {
          'sender receipt': receipts,
          'end-to-end delivery': deliveries,
          [LATE]: lateness,
        },
        cpu,
      };
    } finally {
      load.close();
    }
  },
};
