import { calibrate } from './calibration.js';
import { median, reduced } from './medians.js';
import { modes } from './modes.js';
import { tooFewFiles } from './open-files.js';
import type { Mode } from './mode.js';
import type { BenchOptions } from './options.js';
import { report } from './report.js';
import { currentCommit, describeMachine, save, type Run, type SavedResult } from './result.js';
import { LoadedSystem } from './system.js';

const NONE: BenchOptions = {
  sessions: 1,
  rate: 1,
  warmUp: 1,
  seconds: 1,
  bytes: 1,
  messages: 1,
  members: 1,
  minutes: 1,
};

export type Print = (line: string) => void;

/** Measures, prints and saves. Resolves with whether there were no faults. */
export async function runBench(
  name: string,
  given: Partial<BenchOptions>,
  repeat: number,
  print: Print,
): Promise<boolean> {
  const result = await measure(name, given, repeat, print);
  print('');
  for (const line of report(result)) print(line);
  print(`\nwritten to ${save(result)}`);
  return sound(result);
}

export const sound = ({ runs }: SavedResult): boolean => runs.every(({ faults }) => faults.length === 0);

/** Starts a new system for each run, so that no run inherits memory, tables or compiled code. */
export async function measure(
  name: string,
  given: Partial<BenchOptions>,
  repeat: number,
  print: Print,
): Promise<SavedResult> {
  const mode = modes[name];
  if (!mode) throw new Error(`there is no mode ${name}`);
  const used = { ...mode.defaults, ...given };
  const options = { ...NONE, ...used };
  const wrong = mode.check?.(options) ?? tooFewFiles(options, mode);
  if (wrong !== undefined) throw new Error(wrong);
  const date = new Date().toISOString();
  const before = calibrate();
  const runs: Run[] = [];
  for (let n = 1; n <= repeat; n++) {
    if (repeat > 1) print(`run ${n} of ${repeat}`);
    runs.push(await once(mode, options, print));
  }
  return {
    format: 2,
    date,
    commit: currentCommit(),
    machine: describeMachine(),
    calibration: { before, after: calibrate() },
    mode: name,
    command: commandLine(name, used, repeat),
    options: used,
    unit: mode.unit,
    runs,
    median: reduced(runs, median),
  };
}

async function once(mode: Mode, options: BenchOptions, print: Print): Promise<Run> {
  const system = await LoadedSystem.boot(print, mode.gatewayEnv?.(options));
  try {
    return await mode.run(system, options, print);
  } finally {
    await system.stop();
  }
}

function commandLine(name: string, used: Partial<BenchOptions>, repeat: number): string {
  const flag = (option: string): string => option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const flags = Object.entries(used).map(([option, value]) => `--${flag(option)} ${value}`);
  return ['npm run bench --', name, ...flags, ...(repeat > 1 ? [`--repeat ${repeat}`] : [])].join(' ');
}
