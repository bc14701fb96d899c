import type { SendBudget } from '../sends/session-sends.js';
import type { TimingWheel } from '../timing/timing-wheel.js';
import type { Session } from './session.js';

/** All sessions of this gateway, by number and by the inbox lane of their user. */
export class Sessions {
  private readonly byNumber = new Map<number, Session>();
  private readonly byLane = new Map<number, Set<Session>>();

  constructor(
    private readonly wheel: TimingWheel,
    /** Called for each open session that ends. */
    private readonly over: (session: Session) => void,
    readonly sendBudget: SendBudget,
  ) {}

  get size(): number {
    return this.byNumber.size;
  }

  get(number: number): Session | undefined {
    return this.byNumber.get(number);
  }

  all(): Iterable<Session> {
    return this.byNumber.values();
  }

  ofLane(inboxLane: number): Iterable<Session> {
    return this.byLane.get(inboxLane) ?? [];
  }

  add(session: Session): void {
    this.byNumber.set(session.number, session);
    let lane = this.byLane.get(session.inboxLane);
    if (!lane) this.byLane.set(session.inboxLane, (lane = new Set()));
    lane.add(session);
  }

  remove(session: Session): void {
    if (!this.byNumber.delete(session.number)) return;
    this.byLane.get(session.inboxLane)?.delete(session);
    this.wheel.disarm(session);
    const wasOpen = session.state === 'open';
    session.state = 'over';
    if (wasOpen) this.over(session);
  }
}
