import { cpuSnapshot, cpuUse, round } from './cpu.js';
import { Latency } from './latency.js';
import type { Mode } from './mode.js';
import type { BenchOptions } from './options.js';
import type { Run } from './result.js';
import { inParallel, type LoadedSystem } from './system.js';

const IN_FLIGHT = 32;

/**
 * Full TLS handshake, token, loginReceipt, close: at most 32 at a time. The generator pays half of each handshake on
 * the same cores, so estimate the services' own capacity from their CPU figures.
 */
export const logins: Mode = {
  description: 'token logins per second with a full TLS handshake each, 32 at a time (closed loop)',
  defaults: { sessions: 2000, seconds: 20 },
  unit: 'login',
  run: measure,
};

async function measure(
  system: LoadedSystem,
  { sessions, seconds }: BenchOptions,
  print: (line: string) => void,
): Promise<Run> {
  const faults: string[] = [];
  const latency = new Latency();
  const once = async (n: number, recorded: boolean): Promise<void> => {
    const from = performance.now();
    try {
      const { connection } = await system.login(system.user(n));
      connection.close();
      if (recorded) latency.record(performance.now() - from);
    } catch (error) {
      faults.push(`${system.user(n)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  print(`· ${sessions} users log in for the first time`);
  await inParallel(sessions, IN_FLIGHT, (n) => once(n, false));
  print(`· they log in again and again for ${seconds} s`);
  const before = cpuSnapshot(system.parts);
  const end = performance.now() + seconds * 1000;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end && system.crash === undefined && faults.length < 100)
      await once(next++ % sessions, true);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  const after = cpuSnapshot(system.parts);
  const { count } = latency.percentiles;
  const took = (after.at - before.at) / 1000;
  return {
    faults: [...system.faults, ...faults],
    figures: { 'logins/s': round(count / took) },
    latencies: { 'from connect to loginReceipt': latency.percentiles },
    cpu: cpuUse(before, after, count),
  };
}
