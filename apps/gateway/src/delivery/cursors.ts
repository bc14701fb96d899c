import { subjects, type CursorBatch, type LaneAnnouncement } from '@huizhi/protocol';
import { declareFailpoints, failpoint, type Bus, type Logger } from '@huizhi/runtime';
import { busSlices } from '../bus-slices.js';
import { receiptConfirm } from '../frames.js';
import { LaneOwners } from '../lane-owners.js';
import type { SessionTask, Session } from '../sessions/session.js';
import type { Sessions } from '../sessions/sessions.js';
import type { TimingWheel } from '../timing/timing-wheel.js';

declareFailpoints('gateway.before-cursor');

export interface CursorSettings {
  readonly HZ_CURSOR_FLUSH: number;
  readonly HZ_CURSOR_REPEAT: number;
  readonly HZ_CONFIRM_INTERVAL: number;
}

/** After this many confirm intervals without a `receiptConfirm`, the next one is sent at once. */
const QUIET_INTERVALS = 10;

/**
 * Sends the sessions' cursors to the owners of their inbox lanes and repeats each until it is stored; then sends
 * `receiptConfirm` to the device. Cursors are coalesced, because no client waits for them.
 */
export class Cursors implements SessionTask {
  private readonly ready = new Set<Session>();
  private readonly owners = new LaneOwners();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly gateway: string,
    private readonly sessions: Sessions,
    private readonly wheel: TimingWheel,
    private readonly settings: CursorSettings,
    private readonly now: () => number,
    private readonly log: Logger,
  ) {}

  /** Number of sessions whose cursor waits to be sent. */
  get waiting(): number {
    return this.ready.size;
  }

  /**
   * Applies an owner's announcement and resends the unconfirmed cursors of lanes that have a new owner.
   * @returns these inbox lanes
   */
  laneAnnounced(announcement: LaneAnnouncement): number[] {
    const lanes = this.owners.announced(announcement);
    for (const lane of lanes) this.resend(this.sessions.ofLane(lane));
    return lanes;
  }

  /** The cursor may have advanced, by a receipt or over a void entry. */
  moved(session: Session): void {
    if (session.inbox.cursor > session.cursorSent) this.send(session);
  }

  /** A receipt has arrived. If it changes nothing, the confirm is sent again, since the last one may be lost. */
  receipted(session: Session): void {
    session.needsConfirm = true;
    this.moved(session);
    if (session.inbox.stored >= session.inbox.cursor) this.scheduleConfirm(session);
  }

  /** A frame is being written anyway, so a confirm that is due is written with it. */
  piggyback(session: Session): void {
    if (!session.needsConfirm || session.inbox.stored <= session.confirmed) return;
    if (this.now() >= session.confirmedAt + this.settings.HZ_CONFIRM_INTERVAL) this.sendConfirm(session);
  }

  /** The owner has stored a cursor. */
  confirmed(session: Session, cursor: number): void {
    session.inbox.confirm(cursor, this.now());
    if (session.needsConfirm) this.scheduleConfirm(session);
  }

  /** Sends all unconfirmed cursors again, because they may be lost. */
  resend(sessions: Iterable<Session>): void {
    for (const session of sessions) {
      if (session.state === 'open' && session.inbox.stored < session.inbox.cursor) this.send(session);
    }
  }

  due(session: Session, now: number): number {
    const { inbox } = session;
    let next = Infinity;
    if (inbox.stored < inbox.cursor) {
      if (now - session.cursorSentAt >= this.settings.HZ_CURSOR_REPEAT) this.send(session);
      next = Math.max(now, session.cursorSentAt) + this.settings.HZ_CURSOR_REPEAT;
    }
    if (session.needsConfirm && inbox.stored >= inbox.cursor) this.scheduleConfirm(session);
    return session.needsConfirm ? Math.min(next, this.latestConfirm(session)) : next;
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.ready.size === 0) return;
    failpoint('gateway.before-cursor');
    const parcels = new Map<string, CursorBatch['cursors']>();
    for (const session of this.ready) this.collect(session, parcels);
    this.ready.clear();
    for (const [subject, cursors] of parcels) {
      for (const slice of busSlices(cursors)) {
        const batch: CursorBatch = { gateway: this.gateway, cursors: slice };
        this.bus.publish(subject, JSON.stringify(batch));
      }
    }
  }

  private readonly flushLater = (): void => {
    try {
      this.flush();
    } catch (error) {
      this.log.error('cursors.flush-failed', { error });
      this.timer = setTimeout(this.flushLater, this.settings.HZ_CURSOR_REPEAT);
    }
  };

  private collect(session: Session, parcels: Map<string, CursorBatch['cursors']>): void {
    const { inbox } = session;
    if (inbox.stored >= inbox.cursor) return;
    const subject = this.subjectFor(session);
    session.cursorSent = inbox.cursor;
    session.cursorSentAt = this.now();
    this.wheel.arm(session, session.cursorSentAt + this.settings.HZ_CURSOR_REPEAT);
    const cursor = { ...session.name, cursor: inbox.cursor };
    const parcel = parcels.get(subject);
    if (parcel) parcel.push(cursor);
    else parcels.set(subject, [cursor]);
  }

  /**
   * The owner's subject; the lane's subject when the owner is unknown or this cursor was sent before without a confirm.
   */
  private subjectFor({ inbox, inboxLane, cursorSent }: Session): string {
    const owner = cursorSent === inbox.cursor ? undefined : this.owners.of(inboxLane);
    return owner === undefined ? subjects.cursor(inboxLane) : subjects.cursorTo(owner);
  }

  private send(session: Session): void {
    this.ready.add(session);
    this.timer ??= setTimeout(this.flushLater, this.settings.HZ_CURSOR_FLUSH);
  }

  /** Sends the confirm at once when the device got none recently; otherwise delays it to send it with a delivery. */
  private scheduleConfirm(session: Session): void {
    const now = this.now();
    const isQuiet = now - session.confirmedAt >= QUIET_INTERVALS * this.settings.HZ_CONFIRM_INTERVAL;
    const at = this.latestConfirm(session);
    if (isQuiet || now >= at) this.sendConfirm(session);
    else this.wheel.arm(session, at);
  }

  private latestConfirm(session: Session): number {
    return session.confirmedAt + 2 * this.settings.HZ_CONFIRM_INTERVAL;
  }

  private sendConfirm(session: Session): void {
    const { stored, cursor } = session.inbox;
    session.confirmedAt = this.now();
    session.confirmed = stored;
    session.needsConfirm = stored < cursor;
    session.connection.write(receiptConfirm(stored));
  }
}
