/**
 * Detects that this process was paused or cut off from the bus. A resumed process reads its sockets before timers fire,
 * and its sessions may have been replaced by then. So the read path checks here first.
 */
export class EventLoopWatchdog {
  private turnedAt: number;
  private busLostAt: number | undefined;

  /** @param limitMs after a longer absence the sessions must be closed */
  constructor(
    now: number,
    private readonly limitMs: number,
  ) {
    this.turnedAt = now;
  }

  /** Must be called regularly: the event loop turns. */
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
