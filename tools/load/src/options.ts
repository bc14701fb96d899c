import type { Run } from './result.js';
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
  /** Of the group, its sender among them. */
  members: number;
  /** Of measurement, where it takes long. */
  minutes: number;
}

/** One thing that is measured. */
export interface Mode {
  description: string;
  /** The options it looks at, with what they are unless given. */
  defaults: Partial<BenchOptions>;
  /** What its CPU is divided by. */
  unit: string;
  /** Connections beside those that the options tell. */
  beside?: number;
  /** What is wrong with the options beside what each alone may be. */
  check?(options: BenchOptions): string | undefined;
  /** Limits of the gateway that would measure themselves instead. */
  gatewayEnv?(options: BenchOptions): Record<string, string>;
  run(system: LoadedSystem, options: BenchOptions, print: (line: string) => void): Promise<Run>;
}
