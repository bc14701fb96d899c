import type { Measurement, SavedResult } from './result.js';

export const LATE = 'generator behind its plan';
export const ASKED = 'rate asked (msg/s)';
export const REACHED = 'rate reached (msg/s)';

/** Reasons not to quote the latencies and rates of this result; empty when there are none. */
export function doubts({ median, calibration, machine }: SavedResult): string[] {
  return [...ofMachine(median.cpu, machine.cores), ...ofSpeed(calibration), ...ofGenerator(median)];
}

function* ofMachine({ ourCores, otherCores, stolenCores }: Measurement['cpu'], cores: number): Iterable<string> {
  if (otherCores > 0.1) yield `other programs used ${otherCores} cores`;
  if (stolenCores > 0.05) yield `the host took ${stolenCores} cores`;
  if (ourCores > 0.95 * cores) yield `all ${cores} cores were fully used: the machine limits the result`;
}

function* ofSpeed({ before, after }: SavedResult['calibration']): Iterable<string> {
  const drift = after / before;
  if (drift > 1.15 || drift < 1 / 1.15)
    yield `the machine's speed changed: calibration ${before} µs before, ${after} after`;
}

function* ofGenerator({ figures, latencies }: Measurement): Iterable<string> {
  const late = latencies[LATE]?.p99 ?? 0;
  if (late > 10) yield `the generator itself was ${late} ms late (p99)`;
  const [asked, reached] = [figures[ASKED], figures[REACHED]];
  if (asked !== undefined && reached !== undefined && reached < 0.98 * asked) {
    yield `${reached} of ${asked} messages a second were reached`;
  }
}
