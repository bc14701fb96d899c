import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { GatewayAddress } from '@huizhi/constellation';
import { round } from './cpu.js';
import type { Mode } from './options.js';
import { PairLoad } from './pair-load.js';
import { ASKED, LATE, REACHED } from './trust.js';

const STALLED = 2_000;
/** Times the p99 without them. */
const TOLERATED = 2;
const FIRST_WARM_UP = 3;

/**
 * The same load twice: alone, and beside connections that stall before TLS, before the login, or inside it. The deadline that would end them is
 * set beyond the run: who is closed and comes again is a flood of handshakes, which is another measurement.
 */
export const hostile: Mode = {
  description: `latency beside ${STALLED} connections that stall, against latency without them`,
  defaults: { sessions: 200, rate: 1000, warmUp: 5, seconds: 20, bytes: 250 },
  unit: 'message',
  beside: STALLED,
  check: ({ sessions }) => (sessions % 2 === 0 ? undefined : '--sessions must be even: sessions talk in pairs'),
  gatewayEnv: ({ rate, sessions }) => ({
    FRAMES_PER_SECOND: String(Math.max(100, Math.ceil((2 * rate) / sessions))),
    LOGIN_DEADLINE: '1h',
  }),
  async run(system, { sessions, rate, warmUp, seconds, bytes }, print) {
    const load = new PairLoad(system, bytes);
    const crowd = new Crowd(system.constellation.address);
    try {
      await load.growTo(sessions);
      print(`· ${sessions} sessions alone, at ${rate}/s`);
      const alone = await load.measure({ rate, warmUp: FIRST_WARM_UP * warmUp, seconds });
      print(`· beside ${STALLED} stalled connections`);
      await crowd.gather(STALLED);
      const beside = await load.measure({ rate, warmUp, seconds });
      const times = round(beside.deliveries.p99 / alone.deliveries.p99);
      const tooSlow = times > TOLERATED ? [`the p99 of deliveries was ${times} times as long beside them`] : [];
      return {
        faults: [...load.faults(), ...tooSlow, ...crowd.faults()],
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

/** Connections that stall. */
class Crowd {
  private readonly sockets = new Set<Socket>();
  private lost = 0;

  constructor(private readonly address: GatewayAddress) {}

  async gather(count: number): Promise<void> {
    // Not all at once: it is how they stall that is measured, not how they come.
    for (let n = 0; n < count; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => this.join(n + i)));
  }

  faults(): string[] {
    return this.lost > 0 ? [`${this.lost} connections did not stay to stall`] : [];
  }

  disperse(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private join(n: number): Promise<void> {
    const { host, port, ca } = this.address;
    const isPlain = n % 3 === 0;
    const socket = isPlain ? connectTcp(port, host) : connectTls({ host, port, ca, servername: 'localhost' });
    this.sockets.add(socket);
    return new Promise((resolve) => {
      socket
        .on('error', () => undefined)
        .once('close', () => {
          this.lost += 1;
          resolve();
        });
      socket.once(isPlain ? 'connect' : 'secureConnect', () => {
        if (n % 3 === 2) socket.write('{"messageType":"login","fromUserID":"');
        resolve();
      });
    });
  }
}
