/**
 * A gateway's clock that a test turns: what is to be late is late at once, and what is to be in time is, however slow the machine.
 * Between the turns it goes as time does, or `slower` times slower.
 */
export class Clock {
  private ahead = 0;

  constructor(private readonly slower = 1) {}

  readonly now = (): number => performance.now() / this.slower + this.ahead;

  turn(ms: number): void {
    this.ahead += ms;
  }
}
