import type { ErrorName, OpenReply, OpenRequest, RevokeReply } from '@huizhi/protocol';
import type { Device, Login, Session, User } from './user.js';

/** A login that waits for its transaction. */
export interface PendingLogin {
  readonly request: OpenRequest;
  /** When the login came to its gateway, by `performance.now()` here. */
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

/** Something to be decided with the user in memory and the certainty of being its owner. */
export interface AttachCheck {
  readonly user: string;
  decide(user: User): void;
}

/** A user whose tokens are to be worth nothing. */
export interface Revocation {
  readonly user: string;
  answer(reply: RevokeReply): void;
}

export type LaneState = 'held' | 'leaving' | 'lost';

/** Beyond these, works are refused or dropped; both come again by themselves. */
const MAX_OPENINGS = 2_000;
const MAX_CHECKS = 5_000;
const MAX_REVOCATIONS = 1_000;
const MAX_CURSORS = 20_000;

/** How many users a lane remembers; those with a session come on top. */
const MAX_USERS = 20_000;

/**
 * One inbox lane in its owner's memory: its users, its place in each message lane, and what waits to be written. One
 * object per taking-over: after a loss it is dead, and whoever still holds it sees that by `state`.
 */
export class InboxLane {
  state: LaneState = 'held';
  readonly users = new Map<string, User>();
  readonly sessions = new Set<Session>();
  /** Per message lane: the position up to which events are queued for this lane. */
  readonly queued: number[];
  /** Per message lane: the position up to which events are applied, in memory. */
  applied: number[];
  /** Since when, by `performance.now()`, `applied` is ahead of the database. */
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

  /** False: too many wait already. */
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

  /** The session hears of new entries from now on; another one of the device is over. @returns that other one */
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

  /** Second chance: the untouched go, the touched and those with sessions stay for another round. Bounded work per call. */
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

  /** From now on nothing of it may be used, and nobody is told anything. */
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
