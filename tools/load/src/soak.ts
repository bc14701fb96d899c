import { GatewayMemory, judgeFlat, RSS } from './gateway-memory.js';
import { HostileWaves } from './hostile-waves.js';
import type { Mode } from './mode.js';
import { PairLoad } from './pair-load.js';
import { ASKED, LATE, REACHED } from './validity.js';

const EVERY_MS = 5_000;

/**
 * Steady traffic together with waves of hostile connections; samples the gateway's memory. Deadlines and buffers have
 * their defaults. Only the limits per address are raised, because all load has one address.
 */
export const soak: Mode = {
  description: 'gateway memory under steady traffic and waves of hostile connections; RSS must stay flat',
  defaults: { minutes: 30, sessions: 50, rate: 200, bytes: 250 },
  unit: 'message',
  beside: 600,
  check: ({ sessions }) => (sessions % 2 === 0 ? undefined : '--sessions must be even: each session has a peer'),
  gatewayEnv: () => ({ HZ_FAILED_LOGINS_PER_ADDRESS: '1000000', HZ_LOGIN_ATTEMPTS: '10000' }),
  async run(system, { minutes, sessions, rate, bytes }, print) {
    const load = new PairLoad(system, bytes);
    let waves: HostileWaves | undefined;
    let memory: GatewayMemory | undefined;
    try {
      await load.growTo(sessions);
      print(`· ${minutes} minutes: ${sessions} sessions at ${rate}/s, and hostile connections`);
      memory = new GatewayMemory(system, EVERY_MS);
      waves = new HostileWaves(system);
      const steady = await load.measure({ rate, warmUp: 0, seconds: 60 * minutes });
      const samples = [...(await memory.stop())];
      await waves.stop();
      const { before, after, faults } = judgeFlat(samples);
      const peak = (figure: string): number => Math.max(...samples.map((sample) => sample[figure] ?? 0));
      return {
        faults: [...load.faults(), ...faults],
        figures: {
          [ASKED]: rate,
          [REACHED]: steady.reached,
          'hostile connections': waves.connections,
          'rounds of waves': waves.waves,
          'RSS of the second third (MiB, median)': before,
          'RSS of the last third (MiB, median)': after,
          'highest RSS (MiB)': peak(RSS),
          'highest heap used (MiB)': peak('heap used (MiB)'),
        },
        latencies: { 'end-to-end delivery': steady.deliveries, [LATE]: steady.lateness },
        cpu: steady.cpu,
        samples,
      };
    } finally {
      await memory?.stop();
      await waves?.stop().catch(() => undefined);
      load.close();
    }
  },
};
