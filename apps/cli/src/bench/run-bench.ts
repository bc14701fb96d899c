import { save, table, type BenchResult } from './report.js';
import { LoadedSystem } from './system.js';
import { throughput } from './throughput.js';

export interface BenchOptions {
  sessions: number;
  rate: number;
  seconds: number;
  warmUp: number;
  bytes: number;
}

type Mode = (system: LoadedSystem, options: BenchOptions, print: (line: string) => void) => Promise<BenchResult>;

export const modes: Readonly<Record<string, Mode>> = { throughput };

/** Boots a system, loads it, prints and saves what was measured. Resolves with whether nothing went wrong. */
export async function runBench(
  mode: Mode,
  options: BenchOptions,
  command: string,
  print: (line: string) => void,
): Promise<boolean> {
  const perSession = Math.ceil((options.rate / options.sessions) * 2);
  const system = await LoadedSystem.boot(print, { FRAMES_PER_SECOND: String(Math.max(100, perSession)) });
  try {
    const result = await mode(system, options, print);
    print('');
    for (const line of table(result)) print(line);
    print(`\nwritten to ${save(result, command)}`);
    return result.faults.length === 0;
  } finally {
    await system.stop();
  }
}
