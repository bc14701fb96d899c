import type { AttachBatch, OpenReply } from '@huizhi/protocol';
import type { Connection } from '../connection/connection.js';
import { Inbox, type InboxSettings } from '../delivery/inbox.js';
import { SessionSends, type SendBudget, type SendTimings } from '../sends/session-sends.js';
import type { Timed } from '../timing/timing-wheel.js';

/** Who is at the other end. From the login, never from a later frame. */
export interface Identity {
  readonly user: string;
  readonly device: string;
  readonly deviceType: string | undefined;
  readonly version: number;
}

/** A conversation and the lane that orders it. */
export interface Place {
  readonly conversation: string;
  readonly lane: number;
}

/** A session as the bus names it. */
export type SessionName = AttachBatch['sessions'][number];

/** A part of the gateway that has something to do for a session at a time. */
export interface SessionTask {
  /** Does what is due; when to ask again, Infinity for never. */
  due(session: Session, now: number): number;
}

export type SessionSettings = InboxSettings & SendTimings;

/** One login of one device. It is there before it is open: news of it may come sooner than the answer to its login. */
export class Session implements Timed {
  wheelAt = 0;
  state: 'opening' | 'open' | 'over' = 'opening';
  epoch = 0;
  /** Another login of the device took its place or its token was revoked, perhaps before this one knew that it had succeeded. */
  endedBy: 'kicked' | 'revoked' | undefined;
  /** When its token has expired, by the gateway's clock that never goes back. */
  expiresAt = Infinity;
  /** It is to end: nothing new is sent, and this is called once all that was is answered. */
  whenSettled: (() => void) | undefined;
  inbox: Inbox;
  readonly sends: SessionSends;
  /** A receipt came that no `receiptConfirm` has answered. */
  owesConfirm = false;
  confirmedAt = -Infinity;
  /** What the last `receiptConfirm` said. */
  confirmed = 0;
  /** Since when its owner was asked to know it and has not answered; 0 when it has. */
  attachAskedAt = 0;
  cursorSent = 0;
  cursorSentAt = 0;
  /** Where messages to other users went lately, by user. */
  readonly pairs = new Map<string, Place>();
  /** History requests under way. */
  queries = 0;

  constructor(
    readonly number: number,
    readonly identity: Identity,
    readonly inboxLane: number,
    readonly connection: Connection,
    private readonly settings: SessionSettings,
    private readonly sessionTasks: readonly SessionTask[],
    budget: SendBudget,
  ) {
    this.inbox = new Inbox(0, 0, settings);
    this.sends = new SessionSends(settings, budget);
  }

  get user(): string {
    return this.identity.user;
  }

  get name(): SessionName {
    return { session: this.number, user: this.identity.user, device: this.identity.device, epoch: this.epoch };
  }

  /** News may have been quicker than the answer to the login. */
  opened({ epoch, cursor, head, last }: Pick<OpenReply, 'epoch' | 'cursor' | 'head' | 'last'>): void {
    const early = this.inbox;
    this.epoch = epoch;
    this.inbox = new Inbox(cursor, Math.max(head, early.head), this.settings, Math.max(last, early.last));
    this.cursorSent = cursor;
    this.state = 'open';
  }

  due(now: number): number | undefined {
    if (this.state !== 'open') return undefined;
    let next = Infinity;
    for (const duty of this.sessionTasks) next = Math.min(next, duty.due(this, now));
    return next === Infinity ? undefined : next;
  }
}
