import { round } from './cpu.js';
import { median } from './medians.js';
import type { LoadedSystem } from './system.js';

const MIB = 2 ** 20;

/** Memory and connections as the gateway reports them. The figure's name contains the unit. */
const SAMPLED: readonly [figure: string, metric: string, unit: number][] = [
  ['RSS (MiB)', 'process_resident_memory_bytes', MIB],
  ['heap used (MiB)', 'nodejs_heap_size_used_bytes', MIB],
  ['heap reserved (MiB)', 'nodejs_heap_size_total_bytes', MIB],
  ['external (MiB)', 'nodejs_external_memory_bytes', MIB],
  ['connections', 'hz_gateway_accepted', 1],
  ['sessions', 'hz_gateway_sessions', 1],
  ['open files', 'process_open_fds', 1],
];

export const RSS = 'RSS (MiB)';
/** Allowed ratio of the last third's median RSS to that of the second third. */
export const FLAT = 1.05;

export type Sample = Record<string, number>;

/** Samples memory and connections of the gateway from its /metrics every few seconds. */
export class GatewayMemory {
  readonly samples: Sample[] = [];
  private readonly from = performance.now();
  private readonly timer: NodeJS.Timeout;
  private pending = Promise.resolve();

  constructor(
    private readonly system: LoadedSystem,
    everyMs: number,
  ) {
    this.timer = setInterval(() => {
      this.pending = this.pending.then(() => this.sample());
    }, everyMs);
  }

  async stop(): Promise<readonly Sample[]> {
    clearInterval(this.timer);
    await this.pending;
    return this.samples;
  }

  private async sample(): Promise<void> {
    const second = round((performance.now() - this.from) / 1000);
    try {
      const page = await (await fetch(`${this.system.devEnv.gateway().baseUrl}/metrics`)).text();
      const figures = SAMPLED.map(([figure, metric, unit]) => [figure, round(valueOf(page, metric) / unit)]);
      this.samples.push({ second, ...(Object.fromEntries(figures) as Sample) });
    } catch {
      // This sample is missing. The system itself reports a gateway that has ended.
    }
  }
}

/** The sum of the metric over all labels. */
function valueOf(page: string, metric: string): number {
  const values = [...page.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/**
 * Ignores the first third as warm-up and compares the medians of the others, so that uncollected garbage affects both
 * alike.
 */
export function judgeFlat(samples: readonly Sample[]): { before: number; after: number; faults: string[] } {
  const third = Math.floor(samples.length / 3);
  if (third < 5) return { before: 0, after: 0, faults: [`${samples.length} samples are too few to judge`] };
  const medianOf = (part: readonly Sample[]): number => median(part.map((sample) => sample[RSS] ?? 0));
  const [before, after] = [medianOf(samples.slice(third, 2 * third)), medianOf(samples.slice(2 * third))];
  const grew = after > FLAT * before;
  return { before, after, faults: grew ? [`the gateway's RSS grew from ${before} to ${after} MiB`] : [] };
}
