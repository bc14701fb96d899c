import { projectRoot } from '@huizhi/dev-env';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { CpuUse } from './cpu.js';
import type { Percentiles } from './latency.js';
import type { BenchOptions } from './options.js';

/** The measurement of one run. The names of figures and latencies state meaning and unit. */
export interface Measurement {
  figures: Record<string, number>;
  /** Milliseconds. */
  latencies: Record<string, Percentiles>;
  cpu: CpuUse;
}

export interface Run extends Measurement {
  /** Empty when no message was lost, duplicated or reordered. */
  faults: string[];
  /** Figures over time, in modes that take samples; `second` is the time since the measurement began. */
  samples?: Record<string, number>[];
}

/** A file of bench/results; bench/README.md explains its fields. */
export interface SavedResult {
  format: 2;
  date: string;
  /** Commit of the measured code; "+" when files were changed. Empty outside a git repository. */
  commit: string;
  machine: { cpu: string; cores: number; memoryGiB: number; system: string; node: string };
  /** CPU microseconds per round of the calibration, before and after the runs. */
  calibration: { before: number; after: number };
  mode: string;
  command: string;
  options: Partial<BenchOptions>;
  /** The unit that CPU is divided by. */
  unit: string;
  runs: Run[];
  median: Measurement;
}

export function describeMachine(): SavedResult['machine'] {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
}

export function currentCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: projectRoot(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'apps', 'libs') === '' ? '' : '+');
  } catch {
    return '';
  }
}

/** Saves the result to bench/results and returns the file name, relative to the project. */
export function save(result: SavedResult): string {
  const stamp = result.date.slice(0, 19).replaceAll(':', '-');
  const name = join('bench', 'results', `${stamp}-${result.mode}.json`);
  write(result, join(projectRoot(), name));
  return name;
}

export function write(result: SavedResult, file: string): void {
  mkdirSync(join(projectRoot(), 'bench', 'results'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
}

/**
 * @param file a path, or a file name in bench/results
 * @throws Error when the file does not exist or has another format
 */
export function load(file: string): SavedResult {
  const path = [file, join(resultsFolder(), file)].find((each) => existsSync(each));
  if (path === undefined) throw new Error(`${file} is neither a path nor a file name in bench/results`);
  let result: Partial<SavedResult>;
  try {
    result = JSON.parse(readFileSync(path, 'utf8')) as Partial<SavedResult>;
  } catch (error) {
    throw new Error(`${file} is not JSON`, { cause: error });
  }
  if (result.format !== 2) throw new Error(`${file} is not a result of this bench (its "format" is not 2)`);
  return result as SavedResult;
}

/** Names of saved results, oldest first; only those of `mode` if it is given. */
export function savedResults(mode?: string): string[] {
  if (!existsSync(resultsFolder())) return [];
  return readdirSync(resultsFolder())
    .filter((name) => name.endsWith(mode === undefined ? '.json' : `-${mode}.json`))
    .sort();
}

export function resultsFolder(): string {
  return join(projectRoot(), 'bench', 'results');
}

export const referenceFile = (): string => join(projectRoot(), 'bench', 'reference.json');
