import type { ErrorName, OpenReply, OpenRequest, RevokeReply } from '@huizhi/protocol';
import type { Device, Login, Session, User } from './user.js';

/** A login that waits for its transaction. */
export interface PendingLogin {
  readonly request: OpenRequest;
  /** Time at which the login reached its gateway, as `performance.now()` of this process. */
  readonly began: number;
  answer(reply: OpenReply): void;
}

export const refusedLogin = (error: ErrorName): OpenReply => ({
  error,
  epoch: 0,
  cursor: 0,
  head: 0,
  last: 0,
  waiting: 0,
  generation: '',
});

/** A cursor that waits for its transaction. */
export interface CursorWork {
  readonly gateway: string;
  readonly session: number;
  readonly user: string;
  readonly device: string;
  readonly epoch: number;
  readonly cursor: number;
}

/** A decision that needs the user in memory and proof of ownership. */
export interface AttachCheck {
  readonly user: string;
  decide(user: User): void;
}

/** A user whose tokens are to be revoked. */
export interface Revocation {
  readonly user: string;
  answer(reply: RevokeReply): void;
}

export type LaneState = 'held' | 'leaving' | 'lost';

/** Limits per lane. Work beyond them is refused or dropped; gateways and callers repeat it. */
const MAX_OPENINGS = 2_000;
const MAX_CHECKS = 5_000;
const MAX_REVOCATIONS = 1_000;
const MAX_CURSORS = 20_000;

/** Limit of remembered users per lane, not counting users with a session. */
const MAX_USERS = 20_000;

/**
 * One inbox lane in its owner's memory: its users, its applied positions, and the work to be written. There is one
 * object per take-over. After a loss its `state` is `lost`, and holders of the object must check it.
 */
export class InboxLane {
  state: LaneState = 'held';
  readonly users = new Map<string, User>();
  readonly sessions = new Set<Session>();
  /** Per message lane: the position up to which events are queued for this lane. */
  readonly queued: number[];
  /** Per message lane: the position up to which events are applied, in memory. */
  applied: number[];
  /** Time since which `applied` is ahead of the database, as `performance.now()`. */
  dirtySince: number | undefined;
  readonly pendingLogins: PendingLogin[] = [];
  readonly checks: AttachCheck[] = [];
  readonly revocations: Revocation[] = [];
  readonly cursors = new Map<string, CursorWork>();

  constructor(
    readonly lane: number,
    readonly epoch: number,
    applied: readonly number[],
    private readonly maxUsers = MAX_USERS,
  ) {
    this.queued = [...applied];
    this.applied = [...applied];
  }

  get takesEvents(): boolean {
    return this.state === 'held';
  }

  get hasWork(): boolean {
    return (
      this.pendingLogins.length > 0 || this.checks.length > 0 || this.cursors.size > 0 || this.revocations.length > 0
    );
  }

  /** @returns false when the queue is full or the lane is not held */
  addPendingLogin(opening: PendingLogin): boolean {
    return this.state === 'held' && this.pendingLogins.length < MAX_OPENINGS && this.pendingLogins.push(opening) > 0;
  }

  addCheck(check: AttachCheck): boolean {
    return this.state === 'held' && this.checks.length < MAX_CHECKS && this.checks.push(check) > 0;
  }

  addRevocation(revocation: Revocation): boolean {
    if (this.state !== 'held' || this.revocations.length >= MAX_REVOCATIONS) return false;
    return this.revocations.push(revocation) > 0;
  }

  /** Coalesces per session: only the highest cursor is written. */
  addCursor(work: CursorWork): boolean {
    if (this.state !== 'held') return false;
    const key = `${work.gateway} ${work.session}`;
    const waiting = this.cursors.get(key);
    if (waiting && waiting.epoch === work.epoch && waiting.cursor >= work.cursor) return true;
    if (!waiting && this.cursors.size >= MAX_CURSORS) return false;
    this.cursors.set(key, work);
    return true;
  }

  /**
   * Delivers new entries to the session from now on, in place of another session of the device. @returns that other
   * session
   */
  register(
    user: User,
    device: Device,
    gateway: string,
    session: number,
    now: number,
    login?: Login,
  ): Session | undefined {
    const before = device.session;
    if (before?.gateway === gateway && before.session === session && before.epoch === device.epoch) {
      before.seenAt = now;
      return undefined;
    }
    if (before) this.forgetSession(before);
    const same = before?.gateway === gateway && before.session === session;
    const opened: Session = {
      gateway,
      session,
      login,
      user,
      device,
      epoch: device.epoch,
      from: user.head,
      seenAt: now,
    };
    device.session = opened;
    user.live.push(opened);
    this.sessions.add(opened);
    return same ? undefined : before;
  }

  forgetSession(session: Session): void {
    this.sessions.delete(session);
    const { user, device } = session;
    user.live = user.live.filter((one) => one !== session);
    if (device.session === session) device.session = undefined;
  }

  /**
   * Second-chance eviction: removes users without use and sessions; others stay for another round. Bounded work per
   * call.
   */
  evict(): void {
    let looks = 2 * (this.users.size - this.maxUsers);
    for (const [id, user] of this.users) {
      if (looks-- <= 0 || this.users.size <= this.maxUsers) return;
      this.users.delete(id);
      if (!user.used && user.live.length === 0) continue;
      user.used = false;
      this.users.set(id, user);
    }
  }

  /** Discards all state. Pending work gets no answer. */
  lose(): void {
    this.state = 'lost';
    for (const { user } of this.sessions) user.live = [];
    this.users.clear();
    this.sessions.clear();
    this.pendingLogins.length = 0;
    this.checks.length = 0;
    this.revocations.length = 0;
    this.cursors.clear();
  }
}
