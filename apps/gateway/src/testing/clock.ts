/**
 * A gateway clock that a test advances, so that timeouts do not depend on the speed of the machine. Between these steps
 * it runs in real time, or `slower` times slower.
 */
export class Clock {
  private ahead = 0;

  constructor(private readonly slower = 1) {}

  readonly now = (): number => performance.now() / this.slower + this.ahead;

  turn(ms: number): void {
    this.ahead += ms;
  }
}
