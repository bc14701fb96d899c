import { isLate } from './late.js';

const MISSED_BEATS = 3;
/** Wake signals within this time after a beat or a frame send no other beat, because several arrive together. */
const BEAT_PAUSE_MS = 1_000;
/** Timers may fire up to this much early, in milliseconds. */
const EARLY_MS = 1;

export interface HeartbeatHandlers {
  /** Sends a beat. */
  beat(): void;
  /** The server was silent for too long. Called once, as the last call. */
  silent(): void;
}

/**
 * Sends a beat every interval and detects a silent server: no frame for three intervals, or for one after
 * {@link check}. A timer that fires late is no evidence of silence (see {@link file://./late.ts}). It sends a beat, and
 * the server has the full time to answer again.
 */
export class Heartbeat {
  /** Time of the last frame. All times are on the clock of `performance.now()`, in ms. */
  private heardAt: number;
  private nextBeatAt: number;
  private lastBeatAt = -Infinity;
  /** Time of a {@link check} that no frame has followed yet. */
  private askedAt: number | undefined;
  /** No frame has arrived since the last beat. */
  private unanswered = false;
  private wasLate = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly intervalMs: number,
    private readonly handlers: HeartbeatHandlers,
  ) {
    this.heardAt = performance.now();
    this.nextBeatAt = this.heardAt + intervalMs;
    this.arm();
  }

  /** Records the arrival of a frame. The timer reads this time when it fires. */
  heard(): void {
    this.heardAt = performance.now();
    this.unanswered = false;
  }

  /**
   * Records the answer to a beat and sets the timer again. Browsers throttle timers of a hidden page that were set by
   * timers (Chromium: one per minute), but not those set by socket events.
   */
  answered(): void {
    this.arm();
  }

  /** Sends a beat now, because the connection may be dead. It ends if no frame arrives within one interval. */
  check(): void {
    const now = performance.now();
    if (this.heardAt > now - BEAT_PAUSE_MS) return;
    if (now - this.lastBeatAt > BEAT_PAUSE_MS) this.beat(now);
    this.askedAt ??= now;
    this.arm();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private arm(): void {
    clearTimeout(this.timer);
    const dueAt = Math.min(this.nextBeatAt, this.silentAt());
    this.timer = setTimeout(() => this.fired(dueAt), Math.max(0, Math.round(dueAt - performance.now())));
  }

  /** Time at which the connection ends if no frame has arrived. */
  private silentAt(): number {
    if (this.askedAt !== undefined && this.heardAt >= this.askedAt) this.askedAt = undefined;
    return this.askedAt === undefined ? this.heardAt + MISSED_BEATS * this.intervalMs : this.askedAt + this.intervalMs;
  }

  private fired(dueAt: number): void {
    const now = performance.now();
    const late = isLate(dueAt, now);
    if (now >= this.silentAt() - EARLY_MS) {
      // A second late timer in a row means a throttled page, not a frozen one: the wait between them was real.
      if (!late || (this.wasLate && this.unanswered)) return this.silent();
      this.heardAt = now;
    }
    this.wasLate = late;
    if (now >= this.nextBeatAt - EARLY_MS) this.beat(now, late ? now : this.nextBeatAt);
    this.arm();
  }

  /** @param dueAt start of the next interval */
  private beat(now: number, dueAt = now): void {
    this.lastBeatAt = now;
    this.nextBeatAt = dueAt + this.intervalMs;
    this.unanswered = true;
    this.handlers.beat();
  }

  private silent(): void {
    this.stop();
    this.handlers.silent();
  }
}
