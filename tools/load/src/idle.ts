import { setTimeout as delay } from 'node:timers/promises';
import { keepBeating } from './heartbeats.js';
import { cpuSnapshot, cpuUse, residentKiB, round } from './cpu.js';
import type { LoadConnection } from './load-connection.js';
import type { Mode } from './mode.js';
import type { BenchOptions } from './options.js';
import type { Run } from './result.js';
import type { LoadedSystem } from './system.js';

const FIRST = 200;
const CALM_MS = 3_000;
const GIB_IN_KIB = 2 ** 20;

/** The cost of sessions that only send heartbeats: gateway memory per session, and CPU. */
export const idle: Mode = {
  description: 'memory of the gateway per idle session, heartbeats only',
  defaults: { sessions: 5000, seconds: 20 },
  unit: 'session and second',
  run: measure,
};

async function measure(
  system: LoadedSystem,
  { sessions, seconds }: BenchOptions,
  print: (line: string) => void,
): Promise<Run> {
  const open: LoadConnection[] = [];
  let lost = 0;
  const connect = (from: number, to: number): Promise<void> =>
    system.logInAll(from, to, (connection) => {
      connection.onLost = () => lost++;
      open.push(connection);
    });
  const stopBeating = keepBeating(open);
  const { pid } = system.devEnv.gateway();
  try {
    // The first sessions pay for code and buffers that all sessions share.
    await connect(0, FIRST);
    await delay(CALM_MS);
    const small = residentKiB(pid);
    print(`· ${FIRST} sessions: ${round(small / 1024)} MiB`);
    await connect(FIRST, FIRST + sessions);
    await delay(CALM_MS);
    const before = cpuSnapshot(system.parts);
    await delay(seconds * 1000);
    const after = cpuSnapshot(system.parts);
    const large = residentKiB(pid);
    const each = (large - small) / sessions;
    return {
      faults: lost > 0 ? [...system.faults, `${lost} sessions were lost`] : system.faults,
      figures: {
        'gateway before (MiB)': round(small / 1024),
        'gateway after (MiB)': round(large / 1024),
        'KiB per session': round(each),
        'sessions per GiB': Math.round(FIRST + (GIB_IN_KIB - small) / each),
      },
      latencies: {},
      cpu: cpuUse(before, after, ((sessions + FIRST) * (after.at - before.at)) / 1000),
    };
  } finally {
    stopBeating();
    for (const connection of open) connection.close();
  }
}
