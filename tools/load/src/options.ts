import type { Run } from './result.js';
import type { LoadedSystem } from './system.js';

export interface BenchOptions {
  /** Number of connections, or of users in modes that connect them in turn. */
  sessions: number;
  /** Messages per second of all sessions together. */
  rate: number;
  /** Seconds of warm-up before the measurement. */
  warmUp: number;
  /** Seconds of measurement. */
  seconds: number;
  /** Bytes per message frame. */
  bytes: number;
  /** Messages in total, in modes with a fixed amount of work. */
  messages: number;
  /** Group members, sender included. */
  members: number;
  /** Minutes of measurement, in long modes. */
  minutes: number;
}

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
