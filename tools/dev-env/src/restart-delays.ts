const FIRST_MS = 200;
const LONGEST_MS = 5_000;
/** A process that lived this long (milliseconds) counts as healthy: its next end resets the delay. */
const SOUND_MS = 30_000;

/**
 * The delay before each restart of a process: 0.2 s, doubled each time, at most 5 s. There is no jitter: processes on
 * one machine do not compete, and printed delays must be exact.
 */
export class RestartDelays {
  private attempts = 0;

  /** The next delay in milliseconds. @param livedMs how long the process has run; 0 if it did not start */
  next(livedMs: number): number {
    if (livedMs >= SOUND_MS) this.attempts = 0;
    const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.attempts);
    this.attempts += 1;
    return delay;
  }

  /** Whether there was more than one attempt since the process was last healthy. */
  get isRepeated(): boolean {
    return this.attempts > 1;
  }
}
