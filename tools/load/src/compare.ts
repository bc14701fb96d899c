import { columns } from './table.js';
import { round } from './cpu.js';
import type { Print } from './run-bench.js';
import { load, savedResults, type SavedResult } from './result.js';

/** Smaller differences in microseconds are noise: CPU is counted in ticks, and idle processes do a little work. */
const SLACK_US = 5;

/** CPU microseconds per unit; `after` is scaled to the speed of the earlier machine. */
export interface Difference {
  name: string;
  before: number;
  after: number;
  times: number;
  over: boolean;
}

/**
 * The differences of each service and of their sum, without the generator. A figure is `over` when it exceeds `limit`
 * times the earlier figure by more than 5 µs.
 */
export function differences(before: SavedResult, after: SavedResult, limit: number): Difference[] {
  const speed = speedOf(before) / speedOf(after);
  const used = ({ median: { cpu } }: SavedResult): Record<string, number> => ({
    ...cpu.perUnit,
    services: cpu.services,
  });
  const [from, to] = [used(before), used(after)];
  const names = Object.keys(to).filter((name) => name !== 'generator' && from[name] !== undefined);
  return names.map((name) => {
    const [then = 0, now = 0] = [from[name], round((to[name] ?? 0) * speed)];
    const over = now > then * limit && now - then > SLACK_US;
    return { name, before: then, after: now, times: then > 0 ? round(now / then) : 0, over };
  });
}

const speedOf = ({ calibration }: SavedResult): number => (calibration.before + calibration.after) / 2;

/** Prints both results and returns whether no figure is over the limit. */
export function printComparison(before: SavedResult, after: SavedResult, limit: number, print: Print): boolean {
  const found = differences(before, after, limit);
  const head = [`CPU µs per ${after.unit}`, 'before', 'after', 'times'];
  const cells = found.map(({ name, before: from, after: to, times, over }) => [
    name,
    ...[from, to, times].map(String),
    over ? 'OVER' : '',
  ]);
  for (const line of columns([head, ...cells])) print(line);
  const latencies = Object.entries(after.median.latencies).flatMap(([name, { p50, p99 }]) => {
    const then = before.median.latencies[name];
    return then ? [[name, ...[then.p50, p50, then.p99, p99].map(String)]] : [];
  });
  if (latencies.length > 0) print('');
  for (const line of columns([['milliseconds', 'p50 before', 'after', 'p99 before', 'after'], ...latencies])) {
    if (latencies.length > 0) print(line);
  }
  print('');
  for (const remark of remarks(before, after)) print(remark);
  const over = found.filter((each) => each.over).map(({ name }) => name);
  if (over.length > 0) print(`more than ${limit} times the earlier CPU: ${over.join(', ')}`);
  return over.length === 0;
}

function* remarks(before: SavedResult, after: SavedResult): Iterable<string> {
  const [then, now] = [speedOf(before), speedOf(after)];
  yield `calibration ${round(then)} µs before, ${round(now)} µs after: CPU after is given times ${round(then / now)}`;
  if (!sameMachine(before, after)) yield `different machine: ${before.machine.cpu} before, ${after.machine.cpu} after`;
  for (const difference of optionsThatDiffer(before, after)) yield `different work: ${difference}`;
}

export const sameMachine = (one: SavedResult, other: SavedResult): boolean =>
  one.machine.cpu === other.machine.cpu && one.machine.cores === other.machine.cores;

export function optionsThatDiffer(before: SavedResult, after: SavedResult): string[] {
  if (before.mode !== after.mode) return [`${before.mode} before, ${after.mode} after`];
  const names = [
    ...new Set([...Object.keys(before.options), ...Object.keys(after.options)]),
  ] as (keyof typeof before.options)[];
  return names
    .filter((name) => before.options[name] !== after.options[name])
    .map((name) => `${name} ${before.options[name]} before, ${after.options[name]} after`);
}

/**
 * The results to compare. Default: the newest saved result and the one before it of the same mode.
 * @throws Error when there are not two results
 */
export function chosen(before?: string, after?: string): [before: SavedResult, after: SavedResult] {
  if (before !== undefined && after !== undefined) return [load(before), load(after)];
  const mode = before === undefined ? newestMode() : load(before).mode;
  const [older, newer] = savedResults(mode).slice(-2);
  const [from, to] = [before ?? older, before === undefined ? newer : (newer ?? older)];
  if (from === undefined || to === undefined)
    throw new Error(`there are fewer than two results of ${mode} in bench/results`);
  return [load(from), load(to)];
}

function newestMode(): string {
  const newest = savedResults().at(-1);
  if (newest === undefined) throw new Error('there are no results in bench/results');
  return load(newest).mode;
}
