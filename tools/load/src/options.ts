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
