import type { AttachBatch, OpenReply } from '@huizhi/protocol';
import { Inbox, type InboxSettings } from '../delivery/inbox.js';
import { SessionSends, type SendBudget, type SendTimings } from '../sends/session-sends.js';
import type { Timed } from '../timing/timing-wheel.js';
import type { SessionSocket } from './session-socket.js';

/** The client of a session, from its login frame. */
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

/** A session as identified on the bus. */
export type SessionName = AttachBatch['sessions'][number];

/** A part of the gateway with timed work per session. */
export interface SessionTask {
  /** Does the work that is due. @returns when to call again, ms; Infinity for never */
  due(session: Session, now: number): number;
}

export type SessionSettings = InboxSettings & SendTimings;

/**
 * One login of one device. It exists before it is open, because bus messages for it may precede the answer to the
 * login.
 */
export class Session implements Timed {
  wheelAt = 0;
  state: 'opening' | 'open' | 'over' = 'opening';
  epoch = 0;
  /** Another login of the device replaced it, or its token was revoked, possibly before the login was answered. */
  endedBy: 'kicked' | 'revoked' | undefined;
  /** When the token expires, monotonic clock of the gateway in ms. */
  expiresAt = Infinity;
  /** Set during a drain: the session accepts no sends, and this is called when all sends are answered. */
  whenSettled: (() => void) | undefined;
  inbox: Inbox;
  readonly sends: SessionSends;
  /** A receipt has arrived that no `receiptConfirm` has answered. */
  needsConfirm = false;
  confirmedAt = -Infinity;
  /** The cursor in the last `receiptConfirm`. */
  confirmed = 0;
  /** When the owner was asked to attach the session, ms; 0 when it has answered. */
  attachAskedAt = 0;
  cursorSent = 0;
  cursorSentAt = 0;
  /** Recent places of messages to other users, by user id. */
  readonly pairs = new Map<string, Place>();
  /** Number of queries in progress. */
  queries = 0;

  constructor(
    readonly number: number,
    readonly identity: Identity,
    readonly inboxLane: number,
    readonly connection: SessionSocket,
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

  /** The login was answered. Bus messages may have raised the heads before that. */
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
    for (const task of this.sessionTasks) next = Math.min(next, task.due(this, now));
    return next === Infinity ? undefined : next;
  }
}
