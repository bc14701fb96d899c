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

/** A device that was told nothing for so many intervals is told at once. */
const QUIET_INTERVALS = 10;

/**
 * Brings the sessions' cursors to their owners, many in one message, and says each again until it is stored; tells the devices what is.
 * Waiting is free here: nobody waits for a cursor, and every further receipt rides along.
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

  /** Sessions whose cursor waits to be sent. */
  get waiting(): number {
    return this.ready.size;
  }

  /** Returns the inbox lanes that have just got this owner; what their sessions have not confirmed goes out again. */
  laneAnnounced(news: LaneAnnouncement): number[] {
    const lanes = this.owners.hear(news);
    for (const lane of lanes) this.resend(this.sessions.ofLane(lane));
    return lanes;
  }

  /** The cursor may have moved: by a receipt, or over an entry that does not concern the device. */
  moved(session: Session): void {
    if (session.inbox.cursor > session.cursorSent) this.send(session);
  }

  /** A receipt has come. If there is nothing to store the device is told so again: the last confirm may be lost. */
  receipted(session: Session): void {
    session.owesConfirm = true;
    this.moved(session);
    if (session.inbox.stored >= session.inbox.cursor) this.scheduleConfirm(session);
  }

  /** Something is written to the device anyway: a confirm that is due goes with it and costs no write of its own. */
  piggyback(session: Session): void {
    if (!session.owesConfirm || session.inbox.stored <= session.confirmed) return;
    if (this.now() >= session.confirmedAt + this.settings.HZ_CONFIRM_INTERVAL) this.sendConfirm(session);
  }

  /** The owner has stored a cursor. */
  confirmed(session: Session, cursor: number): void {
    session.inbox.confirm(cursor, this.now());
    if (session.owesConfirm) this.scheduleConfirm(session);
  }

  /** All that is not confirmed goes out again: what was sent may be lost. */
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
    if (session.owesConfirm && inbox.stored >= inbox.cursor) this.scheduleConfirm(session);
    return session.owesConfirm ? Math.min(next, this.latestConfirm(session)) : next;
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

  /** The owner as it was last heard of; the lane itself when that is not known, or has not confirmed what it was sent. */
  private subjectFor({ inbox, inboxLane, cursorSent }: Session): string {
    const owner = cursorSent === inbox.cursor ? undefined : this.owners.of(inboxLane);
    return owner === undefined ? subjects.cursor(inboxLane) : subjects.cursorTo(owner);
  }

  private send(session: Session): void {
    this.ready.add(session);
    this.timer ??= setTimeout(this.flushLater, this.settings.HZ_CURSOR_FLUSH);
  }

  /** At once when the device has been quiet; else it waits a while for something to ride with. The last is always said. */
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
    session.owesConfirm = stored < cursor;
    session.connection.write(receiptConfirm(stored));
  }
}
