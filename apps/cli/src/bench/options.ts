import type { BenchResult } from './report.js';
import type { LoadedSystem } from './system.js';

export interface BenchOptions {
  /** Connections; users where a mode connects them in turn. */
  sessions: number;
  /** Messages per second, all sessions together. */
  rate: number;
  /** Seconds before the measurement. */
  warmUp: number;
  /** Seconds of measurement. */
  seconds: number;
  /** Of one message frame. */
  bytes: number;
  /** Messages in all, where a mode has a fixed amount of work. */
  messages: number;
}

/** One thing that is measured. */
export interface Mode {
  description: string;
  /** The options it looks at, with what they are unless given. */
  defaults: Partial<BenchOptions>;
  /** Limits of the gateway that would measure themselves instead. */
  gatewayEnv?(options: BenchOptions): Record<string, string>;
  run(system: LoadedSystem, options: BenchOptions, print: (line: string) => void): Promise<BenchResult>;
}
