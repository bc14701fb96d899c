import { isLate } from './late.js';

const MISSED_BEATS = 3;
/** A wake signal within this time after a beat does not send another: signals come several at a time. */
const BEAT_PAUSE_MS = 1_000;
/** Timers may fire a little before their time. */
const EARLY_MS = 1;

export interface HeartbeatHandlers {
  /** Send a beat. */
  beat(): void;
  /** The server was silent for too long. Called once, as the last call. */
  silent(): void;
}

/**
 * Sends a beat every interval, and finds out when the server has gone silent: nothing heard for three intervals, or for one
 * after {@link check}. A timer that fires late is no evidence of silence (see {@link file://./late.ts}): it sends a beat, and
 * the server has the whole time again to answer.
 */
export class Heartbeat {
  /** On the clock of `performance.now()`, as all times here. */
  private heardAt: number;
  private nextBeatAt: number;
  private lastBeatAt = -Infinity;
  /** When {@link check} asked for a sign of life that has not come yet. */
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

  /** A frame arrived. Called for each: the timer looks at this when it fires. */
  heard(): void {
    this.heardAt = performance.now();
    this.unanswered = false;
  }

  /**
   * The answer to a beat arrived. The timer is set anew here because browsers hold up those timers of a hidden page that were
   * set by timers (Chromium to one a minute), not those that were set by an event of a socket.
   */
  answered(): void {
    this.arm();
  }

  /** Beats now; the connection is given up when no frame arrives within one interval. For moments when it may be dead. */
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

  /** When the connection is given up if no frame has arrived by then. */
  private silentAt(): number {
    if (this.askedAt !== undefined && this.heardAt >= this.askedAt) this.askedAt = undefined;
    return this.askedAt === undefined ? this.heardAt + MISSED_BEATS * this.intervalMs : this.askedAt + this.intervalMs;
  }

  private fired(dueAt: number): void {
    const now = performance.now();
    const late = isLate(dueAt, now);
    if (now >= this.silentAt() - EARLY_MS) {
      // A second late timer in a row is a page that is throttled, not one that was frozen: the wait between the two was real.
      if (!late || (this.wasLate && this.unanswered)) return this.silent();
      this.heardAt = now;
    }
    this.wasLate = late;
    if (now >= this.nextBeatAt - EARLY_MS) this.beat(now, late ? now : this.nextBeatAt);
    this.arm();
  }

  /** @param dueAt what the next interval is counted from */
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
