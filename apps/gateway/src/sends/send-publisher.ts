import {
  encodeLines,
  idBytes,
  MAX_BUS_BYTES,
  subjects,
  type LaneAnnouncement,
  type SendBatch,
  type SessionBatch,
} from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import { LaneOwners } from '../lane-owners.js';
import type { SessionTask, Session } from '../sessions/session.js';
import type { FlushScheduler, Flushable } from '../timing/flush-scheduler.js';
import type { TimingWheel } from '../timing/timing-wheel.js';
import { dueAt, type Batch, type Settled } from './session-sends.js';

const MAX_SENDS = 500;

/**
 * Publishes the sessions' batches to the lane owners: one bus message per owner and flush. Under load flushes are
 * spaced by `paceMs`, because fewer bus messages raise the throughput of all services.
 */
export class SendPublisher implements Flushable, SessionTask {
  /** Sessions that have a batch to send at the next flush, by lane. */
  private readonly ready = new Map<number, Set<Session>>();
  /** Sessions that have an unanswered batch, by lane. */
  private readonly unanswered = new Map<number, Set<Session>>();
  private readonly owners = new LaneOwners();
  private flushing = false;
  private flushedAt = -Infinity;

  constructor(
    private readonly bus: Bus,
    private readonly gateway: string,
    private readonly flushScheduler: FlushScheduler,
    private readonly wheel: TimingWheel,
    private readonly now: () => number,
    /** Minimum ms between two flushes under load; a flush after idle time is immediate. */
    private readonly lingerMs: number,
    private readonly settle: (session: Session, settled: Settled[]) => void,
  ) {}

  /** Number of unanswered batches, over all sessions and lanes. */
  get waiting(): number {
    let sum = 0;
    for (const sessions of this.unanswered.values()) sum += sessions.size;
    return sum;
  }

  /** The session has a new send on this lane. */
  submit(session: Session, lane: number): void {
    setOf(this.ready, lane).add(session);
    if (this.flushing) return;
    this.flushing = true;
    const left = this.flushedAt + this.lingerMs - this.now();
    if (left > 0) setTimeout(() => this.flushScheduler.add(this), left);
    else this.flushScheduler.add(this);
  }

  /** The batch of this lane was answered; the sends queued behind it form the next batch. */
  answered(session: Session, lane: number): void {
    this.unanswered.get(lane)?.delete(session);
    if (session.sends.waits(lane)) this.submit(session, lane);
  }

  forget(session: Session): void {
    session.sends.abandon();
    for (const sessions of this.unanswered.values()) sessions.delete(session);
    for (const sessions of this.ready.values()) sessions.delete(session);
  }

  /** Repeats the unanswered batches of this lane, because it has a new owner. */
  resend(lane: number): void {
    for (const session of this.unanswered.get(lane) ?? []) {
      if (session.sends.again(lane)) this.submit(session, lane);
    }
  }

  /**
   * Applies an owner's announcement. The new owner of a lane may not have the batches unanswered by the previous one.
   */
  laneAnnounced(announcement: LaneAnnouncement): void {
    for (const lane of this.owners.announced(announcement)) this.resend(lane);
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
    const parcels = new Map<string, Parcel>();
    for (const [lane, sessions] of this.ready) {
      for (const session of sessions) {
        const batch = session.state === 'open' ? session.sends.take(lane, now) : undefined;
        if (!batch) continue;
        this.pack(parcels, this.subjectOf(lane, batch), session, lane, batch);
        setOf(this.unanswered, lane).add(session);
        this.wheel.arm(session, dueAt(batch));
      }
      sessions.clear();
    }
    for (const [subject, parcel] of parcels) this.publish(subject, parcel);
  }

  /** The owner's subject; the lane's subject when the owner is unknown or has not answered in time. */
  private subjectOf(lane: number, batch: Batch): string {
    const owner = batch.isLate ? undefined : this.owners.of(lane);
    return owner === undefined ? subjects.send(lane) : subjects.sendTo(owner);
  }

  private pack(parcels: Map<string, Parcel>, subject: string, session: Session, lane: number, batch: Batch): void {
    let parcel = parcels.get(subject);
    if (!parcel?.hasRoom(session, batch)) {
      if (parcel) this.publish(subject, parcel);
      parcels.set(subject, (parcel = new Parcel()));
    }
    parcel.add(session, lane, batch);
  }

  private publish(subject: string, { batches, bodies }: Parcel): void {
    const head: SendBatch = { gateway: this.gateway, sessions: batches };
    this.bus.publish(subject, encodeLines(head, bodies));
  }
}

/** Bytes of field names and numbers of one session's batch, without its sends. */
const HZ_BATCH_BYTES = 128;

const bytesOf = ({ identity }: Session, batch: Batch): number =>
  batch.bytes + HZ_BATCH_BYTES + idBytes(identity.user) + idBytes(identity.device);

/** The content of one bus message. */
class Parcel {
  readonly batches: SessionBatch[] = [];
  readonly bodies: string[] = [];
  private bytes = 0;

  hasRoom(session: Session, batch: Batch): boolean {
    const count = this.bodies.length + batch.sends.length;
    return count <= MAX_SENDS && this.bytes + bytesOf(session, batch) <= MAX_BUS_BYTES;
  }

  add(session: Session, lane: number, batch: Batch): void {
    this.batches.push(sessionBatch(session, lane, batch));
    for (const { body } of batch.sends) this.bodies.push(body);
    this.bytes += bytesOf(session, batch);
  }
}

function sessionBatch(session: Session, lane: number, batch: Batch): SessionBatch {
  const { user, device } = session.identity;
  return {
    session: session.number,
    lane,
    batch: batch.number,
    user,
    device,
    sends: batch.sends.map(({ send }) => send),
  };
}

function setOf(map: Map<number, Set<Session>>, lane: number): Set<Session> {
  let set = map.get(lane);
  if (!set) map.set(lane, (set = new Set()));
  return set;
}
