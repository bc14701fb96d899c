import { projectRoot } from '@huizhi/constellation';
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { CpuUse } from './cpu.js';
import type { Percentiles } from './latency.js';

/** A run's outcome; what a mode measures beside this is its own. */
export interface BenchResult {
  mode: string;
  /** Empty: nothing was lost, doubled or reordered. */
  faults: string[];
  figures: Record<string, number | string>;
  latencies: Record<string, Percentiles>;
  cpu?: CpuUse;
  /** What `cpu` is divided by. */
  unit?: string;
}

/** The table that is printed. */
export function table({ faults, figures, latencies, cpu, unit = 'unit' }: BenchResult): string[] {
  const lines = Object.entries(figures).map(([name, value]) => row(name, String(value)));
  for (const [name, { count, p50, p90, p99, max }] of Object.entries(latencies)) {
    lines.push(row(name, `p50 ${p50}  p90 ${p90}  p99 ${p99}  max ${max} ms  (${count})`));
  }
  if (cpu) {
    const parts = Object.entries(cpu.perUnit).map(([name, micros]) => `${name} ${micros}`);
    lines.push(row(`CPU µs per ${unit}`, `${cpu.total} = ${parts.join(' + ')}`));
    lines.push(
      row('cores busy', `${cpu.ourCores} by this run, ${cpu.otherCores} by others, ${cpu.stolenCores} stolen`),
    );
  }
  const verdict = faults.length === 0 ? 'nothing lost, doubled or reordered' : `FAULTS: ${faults.length}`;
  return [...lines, row('correctness', verdict), ...faults.slice(0, 20).map((fault) => `  ${fault}`)];
}

const row = (name: string, value: string): string => `${name.padEnd(28)} ${value}`;

/** Writes the result to bench/results and says the file's name, relative to the project. */
export function save(result: BenchResult, command: string): string {
  const date = new Date();
  const stamp = date.toISOString().slice(0, 19).replaceAll(':', '-');
  const name = join('bench', 'results', `${stamp}-${result.mode}.json`);
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
  mkdirSync(join(projectRoot(), 'bench', 'results'), { recursive: true });
  writeFileSync(
    join(projectRoot(), name),
    `${JSON.stringify({ date: date.toISOString(), machine, command, ...result }, null, 2)}\n`,
  );
  return name;
}
