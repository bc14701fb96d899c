/**
 * Knows when this process was last where it should be: in its event loop, and on the bus. A process that was stopped and goes on finds
 * bytes in its sockets before any timer fires, and its sessions may be someone else's by then; so the read path asks here first.
 */
export class EventLoopWatchdog {
  private turnedAt: number;
  private busLostAt: number | undefined;

  /** @param limitMs away longer than this, sessions are not to be trusted */
  constructor(
    now: number,
    private readonly limitMs: number,
  ) {
    this.turnedAt = now;
  }

  /** To be called often and in any case: the event loop turns. */
  turn(now: number): void {
    this.turnedAt = now;
  }

  bus(connected: boolean, now: number): void {
    if (connected) this.busLostAt = undefined;
    else this.busLostAt ??= now;
  }

  isStale(now: number): boolean {
    return now - this.turnedAt > this.limitMs || (this.busLostAt !== undefined && now - this.busLostAt > this.limitMs);
  }
}
