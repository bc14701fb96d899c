import { subjects, type AttachBatch, type CloseBatch } from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import { busSlices } from '../bus-slices.js';
import type { FlushScheduler, Flushable } from '../timing/flush-scheduler.js';
import type { TimingWheel } from '../timing/timing-wheel.js';
import type { SessionTask, Session, SessionName } from './session.js';
import type { Sessions } from './sessions.js';

/** Requests to attach all sessions within this time are coalesced. */
const GATHER_MS = 50;
/** An attachment that its owner does not answer is repeated after this time. */
const ATTACH_REPEAT_MS = 2_000;

/**
 * Registers the gateway's sessions with the owners of inbox lanes: reports ended sessions soon, and attaches all
 * sessions when bus messages may be lost. The owners answer with heads and ended sessions, which repairs any loss.
 */
export class LaneRegistration implements Flushable, SessionTask {
  private readonly ended = new Map<number, SessionName[]>();
  /** Sessions whose attachment was not answered in time. */
  private readonly unreceived = new Set<Session>();
  private flushing = false;
  private attaching: NodeJS.Timeout | undefined;
  private attachingAt = Infinity;

  constructor(
    private readonly bus: Bus,
    private readonly gateway: string,
    private readonly sessions: Sessions,
    private readonly flushScheduler: FlushScheduler,
    private readonly wheel: TimingWheel,
    private readonly now: () => number,
  ) {}

  /** The session has ended; its owner need not send to it. */
  closed(session: Session): void {
    const lane = this.ended.get(session.inboxLane);
    if (lane) lane.push(session.name);
    else this.ended.set(session.inboxLane, [session.name]);
    this.flushSoon();
  }

  flush(): void {
    this.flushing = false;
    this.attachUnheard();
    for (const [lane, names] of this.ended) {
      for (const sessions of busSlices(names)) {
        const batch: CloseBatch = { gateway: this.gateway, sessions };
        this.bus.publish(subjects.close(lane), JSON.stringify(batch));
      }
    }
    this.ended.clear();
  }

  /**
   * Attaches all sessions within `withinMs`, at a random moment because other gateways have the same reason. If several
   * calls are pending, the earliest moment applies.
   */
  attachAll(withinMs = 200): void {
    const wait = GATHER_MS + Math.random() * withinMs;
    const at = this.now() + wait;
    if (at >= this.attachingAt) return;
    clearTimeout(this.attaching);
    this.attachingAt = at;
    this.attaching = setTimeout(() => {
      this.attachingAt = Infinity;
      const lanes = new Set<number>();
      for (const session of this.sessions.all()) lanes.add(session.inboxLane);
      for (const lane of lanes) this.attachLane(lane);
    }, wait);
  }

  attachLane(inboxLane: number): void {
    this.attach(inboxLane, this.sessions.ofLane(inboxLane));
  }

  /** The owner has answered the attachment. */
  attached(session: Session): void {
    session.attachAskedAt = 0;
  }

  /**
   * Repeats an unanswered attachment. Until it is answered, a login of the device elsewhere cannot end this session.
   */
  due(session: Session, now: number): number {
    if (session.attachAskedAt === 0) return Infinity;
    if (now - session.attachAskedAt >= ATTACH_REPEAT_MS) {
      session.attachAskedAt = now;
      this.unreceived.add(session);
      this.flushSoon();
    }
    return session.attachAskedAt + ATTACH_REPEAT_MS;
  }

  private attach(inboxLane: number, sessions: Iterable<Session>): void {
    const now = this.now();
    const names: SessionName[] = [];
    for (const session of sessions) {
      if (session.state !== 'open') continue;
      session.attachAskedAt = now;
      this.wheel.arm(session, now + ATTACH_REPEAT_MS);
      names.push(session.name);
    }
    for (const slice of busSlices(names)) {
      const batch: AttachBatch = { gateway: this.gateway, sessions: slice };
      this.bus.publish(subjects.attach(inboxLane), JSON.stringify(batch));
    }
  }

  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    this.flushScheduler.add(this);
  }

  private attachUnheard(): void {
    const lanes = new Map<number, Session[]>();
    for (const session of this.unreceived) {
      const lane = lanes.get(session.inboxLane);
      if (lane) lane.push(session);
      else lanes.set(session.inboxLane, [session]);
    }
    this.unreceived.clear();
    for (const [lane, sessions] of lanes) this.attach(lane, sessions);
  }

  stop(): void {
    clearTimeout(this.attaching);
  }
}
