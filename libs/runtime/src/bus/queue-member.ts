import type { Bus, BusHandler, BusSubscription } from './bus.js';

/**
 * Membership in a queue group that can be ended and restored. The bus gives requests to members only, so an instance
 * that cannot carry out requests must leave the group.
 */
export class QueueMember {
  private subscription: BusSubscription | undefined;

  /** Not a member until {@link set}. */
  constructor(
    private readonly bus: Bus,
    private readonly subject: string,
    private readonly queue: string,
    private readonly handler: BusHandler,
  ) {}

  set(isMember: boolean): void {
    if (isMember === (this.subscription !== undefined)) return;
    if (isMember) {
      this.subscription = this.bus.subscribe(this.subject, this.handler, { queue: this.queue });
      return;
    }
    this.subscription?.unsubscribe();
    this.subscription = undefined;
  }
}
