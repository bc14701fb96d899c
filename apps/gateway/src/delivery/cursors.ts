import { subjects, type CursorBatch } from '@huizhi/protocol';
import { declareFailpoints, failpoint, type Bus, type Logger } from '@huizhi/runtime';
import { receiptConfirm } from '../frames.js';
import type { Duty, Session } from '../session/session.js';
import type { Wheel } from '../time/wheel.js';

declareFailpoints('gateway.before-cursor');

export interface CursorSettings {
  readonly CURSOR_FLUSH: number;
  readonly CURSOR_REPEAT: number;
  readonly CONFIRM_INTERVAL: number;
}

/** Cursors in one bus message. */
const MAX_CURSORS = 1_000;

/**
 * Brings the sessions' cursors to their owners, many in one message, and says each again until it is stored; tells the devices what is.
 * Waiting is free here: nobody waits for a cursor, and every further receipt rides along.
 */
export class Cursors implements Duty {
  private readonly ready = new Set<Session>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly gateway: string,
    private readonly wheel: Wheel,
    private readonly settings: CursorSettings,
    private readonly now: () => number,
    private readonly log: Logger,
  ) {}

  /** Sessions whose cursor waits to be sent. */
  get waiting(): number {
    return this.ready.size;
  }

  /** The cursor may have moved: by a receipt, or over an entry that does not concern the device. */
  moved(session: Session): void {
    if (session.inbox.cursor > session.cursorSent) this.send(session);
  }

  /** A receipt has come. If there is nothing to store the device is told so again: the last confirm may be lost. */
  receipted(session: Session): void {
    session.owesConfirm = true;
    this.moved(session);
    if (session.inbox.stored >= session.inbox.cursor) this.tell(session);
  }

  /** The owner has stored a cursor. */
  confirmed(session: Session, cursor: number): void {
    session.inbox.confirm(cursor, this.now());
    if (session.owesConfirm) this.tell(session);
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
      if (now - session.cursorSentAt >= this.settings.CURSOR_REPEAT) this.send(session);
      next = Math.max(now, session.cursorSentAt) + this.settings.CURSOR_REPEAT;
    }
    if (session.owesConfirm && inbox.stored >= inbox.cursor) this.tell(session);
    return session.owesConfirm ? Math.min(next, session.confirmedAt + this.settings.CONFIRM_INTERVAL) : next;
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.ready.size === 0) return;
    failpoint('gateway.before-cursor');
    const lanes = new Map<number, CursorBatch['cursors']>();
    for (const session of this.ready) this.collect(session, lanes);
    this.ready.clear();
    for (const [lane, cursors] of lanes) {
      for (let from = 0; from < cursors.length; from += MAX_CURSORS) {
        const batch: CursorBatch = { gateway: this.gateway, cursors: cursors.slice(from, from + MAX_CURSORS) };
        this.bus.publish(subjects.cursor(lane), JSON.stringify(batch));
      }
    }
  }

  private readonly flushLater = (): void => {
    try {
      this.flush();
    } catch (error) {
      this.log.error('cursors.flush-failed', { error });
      this.timer = setTimeout(this.flushLater, this.settings.CURSOR_REPEAT);
    }
  };

  private collect(session: Session, lanes: Map<number, CursorBatch['cursors']>): void {
    const { inbox, inboxLane } = session;
    if (inbox.stored >= inbox.cursor) return;
    session.cursorSent = inbox.cursor;
    session.cursorSentAt = this.now();
    this.wheel.arm(session, session.cursorSentAt + this.settings.CURSOR_REPEAT);
    const cursor = { ...session.name, cursor: inbox.cursor };
    const lane = lanes.get(inboxLane);
    if (lane) lane.push(cursor);
    else lanes.set(inboxLane, [cursor]);
  }

  private send(session: Session): void {
    this.ready.add(session);
    this.timer ??= setTimeout(this.flushLater, this.settings.CURSOR_FLUSH);
  }

  /** At most one `receiptConfirm` per interval; the last is always said. */
  private tell(session: Session): void {
    const now = this.now();
    const at = session.confirmedAt + this.settings.CONFIRM_INTERVAL;
    if (now < at) return this.wheel.arm(session, at);
    session.confirmedAt = now;
    session.owesConfirm = session.inbox.stored < session.inbox.cursor;
    session.connection.write(receiptConfirm(session.inbox.stored));
  }
}
