import type { BenchOptions } from './options.js';
import type { Run } from './result.js';
import type { LoadedSystem } from './system.js';

/** A kind of measurement. */
export interface Mode {
  description: string;
  /** The options that the mode uses, with their defaults. */
  defaults: Partial<BenchOptions>;
  /** The unit that CPU is divided by. */
  unit: string;
  /** Connections in addition to `sessions` and `members`. */
  beside?: number;
  /** Checks the combination of options. Returns the fault, if there is one. */
  check?(options: BenchOptions): string | undefined;
  /** Raised gateway limits, so that the limits themselves are not measured. */
  gatewayEnv?(options: BenchOptions): Record<string, string>;
  run(system: LoadedSystem, options: BenchOptions, print: (line: string) => void): Promise<Run>;
}
