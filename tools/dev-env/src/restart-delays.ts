const FIRST_MS = 200;
const LONGEST_MS = 5_000;
/** A process that lived this long, milliseconds, counts as sound: its next end is a new event. */
const SOUND_MS = 30_000;

/**
 * How long to wait before each start of a process that ended: 0.2 s, doubled each time, at most 5 s. Without jitter: the
 * processes of one machine do not compete for what they start on, and a printed delay is to be kept.
 */
export class RestartDelays {
  private attempts = 0;

  /** The next delay, milliseconds. @param livedMs how long the process has run; 0 if it did not get up */
  next(livedMs: number): number {
    if (livedMs >= SOUND_MS) this.attempts = 0;
    const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.attempts);
    this.attempts += 1;
    return delay;
  }

  /** Whether there was more than one attempt since the process was last sound. */
  get isRepeated(): boolean {
    return this.attempts > 1;
  }
}
