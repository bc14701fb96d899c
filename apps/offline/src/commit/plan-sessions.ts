import { seededBug } from '@huizhi/runtime';
import type { CursorMove } from '../sql/apply.js';
import type { DeviceOpening, OwedRow } from '../sql/devices.js';
import type { CursorWork, InboxLane, PendingLogin, Revocation } from './inbox-lane.js';
import type { LaneSessionWork } from './plan.js';
import { isRevoked, type Device, type Session, type User } from './user.js';

/** More devices than anybody has; then the longest unseen one makes room, so that a user's state stays bounded. */
export const MAX_DEVICES = 64;

/** What a login comes to; undefined `write` when this very session has it already and only asks again, or when it is refused. */
export interface OpeningPlan {
  readonly opening: PendingLogin;
  readonly lane: InboxLane;
  readonly user: User;
  readonly write: DeviceOpening | undefined;
  readonly removed: Device | undefined;
  readonly refused?: 'tokenRevoked' | 'overtaken';
}

export interface RevocationPlan {
  readonly revocation: Revocation;
  readonly lane: InboxLane;
  readonly user: User;
}

/** What a cursor comes to: `write` it, say it again, or refuse the session. */
export interface CursorPlan {
  readonly work: CursorWork;
  readonly lane: InboxLane;
  readonly device: Device | undefined;
  readonly write: CursorMove | undefined;
  readonly cursor: number;
}

export function planOpening(lane: InboxLane, user: User, opening: PendingLogin): OpeningPlan {
  const { device: id, deviceType, version, gateway, session, issuedAt = 0 } = opening.request;
  if (isRevoked(user, opening.request.issuedAt)) {
    return { opening, lane, user, write: undefined, removed: undefined, refused: 'tokenRevoked' };
  }
  const device = user.devices.get(id);
  if (
    device?.session?.gateway === gateway &&
    device.session.session === session &&
    device.session.epoch === device.epoch
  ) {
    return { opening, lane, user, write: undefined, removed: undefined };
  }
  if (isOvertaken(opening, device?.session)) {
    return { opening, lane, user, write: undefined, removed: undefined, refused: 'overtaken' };
  }
  const removed = device || user.devices.size < MAX_DEVICES ? undefined : longestUnseen(user);
  // After a removal the epochs go on from the removed one's: should it come back, no older session of it counts.
  const epoch = (device?.epoch ?? removed?.epoch ?? 0) + 1;
  const cursor = device ? device.cursor : highestCursor(user);
  const write = { user: user.id, device: id, epoch, cursor, deviceType, version, issuedAt };
  return { opening, lane, user, removed, write };
}

/**
 * Gateways ask again while the owner is away, also for a phone that has changed networks meanwhile and lives elsewhere: its older
 * login must not end the newer one.
 */
function isOvertaken({ request, began }: PendingLogin, live: Session | undefined): boolean {
  if (!live?.login || (live.gateway === request.gateway && live.login.number === request.login)) return false;
  return live.login.began > began;
}

/** The first device of a user gets everything that waits; a later one begins where the user has got to. */
export function highestCursor(user: User): number {
  let highest = 0;
  for (const device of user.devices.values()) if (device.cursor > highest) highest = device.cursor;
  return highest;
}

function longestUnseen(user: User): Device | undefined {
  for (const device of user.devices.values()) if (!device.session) return device;
  return user.devices.values().next().value;
}

export function planCursor(lane: InboxLane, user: User, work: CursorWork): CursorPlan {
  const device = user.devices.get(work.device);
  if (device?.epoch !== work.epoch) return { work, lane, device: undefined, write: undefined, cursor: 0 };
  // Nothing beyond the head was ever delivered: who says so is told where it really stands.
  const cursor = Math.max(device.cursor, Math.min(work.cursor, user.head));
  const moves = cursor > device.cursor && !seededBug('bug.confirm-unstored');
  const write = moves ? { user: user.id, device: device.id, epoch: device.epoch, cursor } : undefined;
  return { work, lane, device, write, cursor };
}

export interface SessionPlan {
  readonly openings: OpeningPlan[];
  readonly cursors: CursorPlan[];
  readonly revocations: RevocationPlan[];
  /** Found while writing: what the devices that log in have to get, where it is not all that follows their cursor. */
  readonly owed: Map<DeviceOpening, OwedRow>;
  /** Found while writing: the logins whose device lacks entries that were dropped. */
  readonly lacking: Set<DeviceOpening>;
  /** Found while writing, by user: from when on tokens are good. */
  readonly tokensValidFrom: Map<string, number>;
}

/** All users must be in memory. */
export function planSessions(works: readonly LaneSessionWork[]): SessionPlan {
  const plan: SessionPlan = {
    openings: [],
    cursors: [],
    revocations: [],
    owed: new Map(),
    lacking: new Set(),
    tokensValidFrom: new Map(),
  };
  for (const { lane, openings, cursors, revocations } of works) {
    for (const revocation of revocations) {
      plan.revocations.push({ revocation, lane, user: userOf(lane, revocation.user) });
    }
    for (const opening of openings) plan.openings.push(planOpening(lane, userOf(lane, opening.request.user), opening));
    for (const work of cursors) plan.cursors.push(planCursor(lane, userOf(lane, work.user), work));
  }
  return plan;
}

export function userOf(lane: InboxLane, id: string): User {
  const user = lane.users.get(id);
  if (!user) throw new Error('a user is not in memory');
  return user;
}
