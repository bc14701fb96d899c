import { budget } from './budget.js';
import { least, most, reduced } from './medians.js';
import type { Measurement, SavedResult } from './result.js';
import { columns } from './table.js';
import { doubts } from './validity.js';

/** The printed report of a result: figures, latencies, CPU against the budget, and a verdict on its validity. */
export function report(result: SavedResult): string[] {
  const { runs, median } = result;
  const spread: Spread = { least: reduced(runs, least), most: reduced(runs, most), shown: runs.length > 1 };
  const heading = spread.shown ? [`medians of ${runs.length} runs, with minimum … maximum`, ''] : [];
  return [
    ...heading,
    ...figures(median, spread),
    '',
    ...latencies(median, spread),
    ...cpu(result, spread),
    '',
    ...verdict(result),
  ];
}

interface Spread {
  least: Measurement;
  most: Measurement;
  shown: boolean;
}

function between({ least, most, shown }: Spread, of: (one: Measurement) => number | undefined): string {
  const [from = 0, to = 0] = [of(least), of(most)];
  return shown && from !== to ? `${from} … ${to}` : '';
}

function figures({ figures: all }: Measurement, spread: Spread): string[] {
  const rows = Object.entries(all).map(([name, value]) => [
    name,
    String(value),
    between(spread, (one) => one.figures[name]),
  ]);
  return columns(rows);
}

function latencies({ latencies: all }: Measurement, spread: Spread): string[] {
  const names = Object.keys(all);
  if (names.length === 0) return [];
  const rows = names.map((name) => {
    const { p50 = 0, p90 = 0, p99 = 0, max = 0, count = 0 } = all[name] ?? {};
    return [name, ...[p50, p90, p99, max, count].map(String), between(spread, (one) => one.latencies[name]?.p99)];
  });
  const head = ['milliseconds', 'p50', 'p90', 'p99', 'max', 'count', spread.shown ? 'p99 of the runs' : ''];
  return [...columns([head, ...rows]), ''];
}

function cpu({ unit, mode, median }: SavedResult, spread: Spread): string[] {
  const budgeted = mode === 'throughput';
  const { perUnit, services, ourCores, otherCores, stolenCores } = median.cpu;
  const { generator = 0, ...parts } = perUnit;
  const used = [...Object.entries(parts), ['services', services], ['generator', generator]] as [string, number][];
  const rows = used.map(([name, micros]) => {
    const allowed = budgeted ? budget[name] : undefined;
    const verdict = allowed === undefined ? [] : [String(allowed), micros <= allowed ? 'ok' : 'over'];
    const of = (one: Measurement): number | undefined =>
      name === 'services' ? one.cpu.services : one.cpu.perUnit[name];
    return [name, String(micros), between(spread, of), ...verdict];
  });
  const head = [`CPU µs per ${unit}`, 'used', '', ...(budgeted ? ['budget', 'at 5,000/s'] : [])];
  const cores = [
    ['cores', ''],
    ['this run', String(ourCores), between(spread, (one) => one.cpu.ourCores)],
    ['others', String(otherCores), between(spread, (one) => one.cpu.otherCores)],
    ['stolen by the host', String(stolenCores), between(spread, (one) => one.cpu.stolenCores)],
  ];
  return [...columns([head, ...rows]), '', ...columns(cores)];
}

function verdict(result: SavedResult): string[] {
  const faults = result.runs.flatMap((run) => run.faults);
  const lines = doubts(result).map((doubt) => `do not quote: ${doubt}`);
  if (lines.length === 0) lines.push('rates and latencies may be quoted: no disturbance of the machine was found');
  if (faults.length === 0) return [...lines, 'no message was lost, duplicated or reordered'];
  return [...lines, `FAULTS: ${faults.length}`, ...faults.slice(0, 20).map((fault) => `  ${fault}`)];
}
