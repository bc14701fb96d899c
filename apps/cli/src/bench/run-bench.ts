import { drain } from './drain.js';
import { idle } from './idle.js';
import { logins } from './logins.js';
import type { BenchOptions, Mode } from './options.js';
import { save, table } from './report.js';
import { LoadedSystem } from './system.js';
import { throughput } from './throughput.js';

export const modes: Readonly<Record<string, Mode>> = { throughput, logins, drain, idle };

const NONE: BenchOptions = { sessions: 1, rate: 1, warmUp: 1, seconds: 1, bytes: 1, messages: 1 };

/** Boots a system, loads it, prints and saves what was measured. Resolves with whether nothing went wrong. */
export async function runBench(
  name: string,
  given: Partial<BenchOptions>,
  print: (line: string) => void,
): Promise<boolean> {
  const mode = modes[name];
  if (!mode) throw new Error(`there is no mode ${name}`);
  const used = { ...mode.defaults, ...given };
  const options = { ...NONE, ...used };
  const system = await LoadedSystem.boot(print, mode.gatewayEnv?.(options));
  try {
    const result = await mode.run(system, options, print);
    print('');
    for (const line of table(result)) print(line);
    print(`\nwritten to ${save(result, commandLine(name, used))}`);
    return result.faults.length === 0;
  } finally {
    await system.stop();
  }
}

function commandLine(name: string, used: Partial<BenchOptions>): string {
  const flag = (option: string): string => option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return ['hz bench', name, ...Object.entries(used).map(([option, value]) => `--${flag(option)} ${value}`)].join(' ');
}
