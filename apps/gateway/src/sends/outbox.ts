import { decodeLines, encodeLines, MAX_BUS_BYTES, subjects, type LaneNews, type SessionBatch } from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import type { Duty, Session } from '../session/session.js';
import type { EndOfTurn, Flushable } from '../time/end-of-turn.js';
import type { Wheel } from '../time/wheel.js';
import type { Batch, Settled } from './session-sends.js';

const MAX_SENDS = 500;

/**
 * Takes the sessions' batches to the lanes' owners: what was read since the last flush is one bus message per lane. Under load
 * a flush waits its pace: each is a wake-up of the bus and of the owners, and fewer of them make everything behind quicker.
 */
export class Outbox implements Flushable, Duty {
  /** Sessions with something to send on a lane at the end of this turn. */
  private readonly ready = new Map<number, Set<Session>>();
  /** Sessions with an unanswered batch on a lane. */
  private readonly unanswered = new Map<number, Set<Session>>();
  private flushing = false;
  private flushedAt = -Infinity;

  constructor(
    private readonly bus: Bus,
    private readonly gateway: string,
    private readonly endOfTurn: EndOfTurn,
    private readonly wheel: Wheel,
    private readonly now: () => number,
    /** Between two flushes under load, milliseconds; after idle none. */
    private readonly paceMs: number,
    private readonly settle: (session: Session, settled: Settled[]) => void,
  ) {}

  /** Sessions that wait for an answer, counted once per lane. */
  get waiting(): number {
    let sum = 0;
    for (const sessions of this.unanswered.values()) sum += sessions.size;
    return sum;
  }

  /** The session has something new on this lane. */
  submit(session: Session, lane: number): void {
    setOf(this.ready, lane).add(session);
    if (this.flushing) return;
    this.flushing = true;
    const left = this.flushedAt + this.paceMs - this.now();
    if (left > 0) setTimeout(() => this.endOfTurn.add(this), left);
    else this.endOfTurn.add(this);
  }

  /** The batch of this lane was answered; whatever waited behind it goes out next. */
  answered(session: Session, lane: number): void {
    this.unanswered.get(lane)?.delete(session);
    this.submit(session, lane);
  }

  forget(session: Session): void {
    for (const sessions of this.unanswered.values()) sessions.delete(session);
    for (const sessions of this.ready.values()) sessions.delete(session);
  }

  /** Whatever is unanswered on this lane goes out again: it has a new owner. */
  resend(lane: number): void {
    for (const session of this.unanswered.get(lane) ?? []) {
      if (session.sends.again(lane)) this.submit(session, lane);
    }
  }

  /** Somebody speaks of lanes. Who has just taken one may not have what its last owner left unanswered. */
  laneNews(payload: Uint8Array): void {
    const { taken, lanes } = decodeLines<LaneNews>(payload).head;
    if (taken) for (const { lane } of lanes) this.resend(lane);
  }

  resendAll(): void {
    for (const lane of this.unanswered.keys()) this.resend(lane);
  }

  due(session: Session, now: number): number {
    const expired = session.sends.expire(now);
    if (expired.length > 0) {
      this.settle(session, expired);
      for (const lane of new Set(expired.map(({ pending }) => pending.lane))) this.answered(session, lane);
    }
    for (const lane of session.sends.repeat(now)) this.submit(session, lane);
    return session.sends.nextDue();
  }

  flush(): void {
    this.flushing = false;
    const now = (this.flushedAt = this.now());
    for (const [lane, sessions] of this.ready) {
      if (sessions.size > 0) this.flushLane(lane, sessions, now);
      sessions.clear();
    }
  }

  private flushLane(lane: number, sessions: Iterable<Session>, now: number): void {
    let batches: SessionBatch[] = [];
    let bodies: string[] = [];
    let bytes = 0;
    const publish = (): void => {
      if (batches.length === 0) return;
      this.bus.publish(subjects.send(lane), encodeLines({ gateway: this.gateway, lane, sessions: batches }, bodies));
      batches = [];
      bodies = [];
      bytes = 0;
    };
    for (const session of sessions) {
      const batch = session.state === 'open' ? session.sends.take(lane, now) : undefined;
      if (!batch) continue;
      if (bytes + batch.bytes > MAX_BUS_BYTES || bodies.length + batch.sends.length > MAX_SENDS) publish();
      batches.push(sessionBatch(session, batch));
      for (const { body } of batch.sends) bodies.push(body);
      bytes += batch.bytes;
      setOf(this.unanswered, lane).add(session);
      this.wheel.arm(session, now + batch.wait);
    }
    publish();
  }
}

function sessionBatch(session: Session, batch: Batch): SessionBatch {
  const { user, device } = session.identity;
  return { session: session.number, batch: batch.number, user, device, sends: batch.sends.map(({ send }) => send) };
}

function setOf(map: Map<number, Set<Session>>, lane: number): Set<Session> {
  let set = map.get(lane);
  if (!set) map.set(lane, (set = new Set()));
  return set;
}
