import { seededBug } from '@huizhi/runtime';
import type { CursorMove } from '../sql/apply.js';
import type { DeviceOpening, OwedRow } from '../sql/devices.js';
import type { CursorWork, InboxLane, PendingLogin, Revocation } from './inbox-lane.js';
import type { LaneSessionWork } from './plan.js';
import { isRevoked, type Device, type Session, type User } from './user.js';

/** Limit of devices per user, so that its state is bounded; above it, the longest unseen device is removed. */
export const MAX_DEVICES = 64;

/**
 * Result of a login. `write` is undefined when the login is refused, or when this session has it already and repeats
 * it.
 */
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

/**
 * Result of a cursor: with `write` it is stored, without it confirmed again; without `device` the session is refused.
 */
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
  // Continues from the removed device's epoch: if that device logs in again, its older sessions stay invalid.
  const epoch = (device?.epoch ?? removed?.epoch ?? 0) + 1;
  const cursor = device ? device.cursor : highestCursor(user);
  const write = { user: user.id, device: id, epoch, cursor, deviceType, version, issuedAt };
  return { opening, lane, user, removed, write };
}

/**
 * Gateways repeat logins while the owner is away, also for a device that meanwhile logged in through another gateway.
 * Its older login must not end the newer session.
 */
function isOvertaken({ request, began }: PendingLogin, live: Session | undefined): boolean {
  if (!live?.login || (live.gateway === request.gateway && live.login.number === request.login)) return false;
  return live.login.began > began;
}

/** The first device of a user gets all entries; a later one starts at the user's highest cursor. */
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
  // No entry beyond the head was ever delivered, so a higher cursor is reduced to it.
  const cursor = Math.max(device.cursor, Math.min(work.cursor, user.head));
  const moves = cursor > device.cursor && !seededBug('bug.confirm-unstored');
  const write = moves ? { user: user.id, device: device.id, epoch: device.epoch, cursor } : undefined;
  return { work, lane, device, write, cursor };
}

export interface SessionPlan {
  readonly openings: OpeningPlan[];
  readonly cursors: CursorPlan[];
  readonly revocations: RevocationPlan[];
  /** Set while writing: what a device that logs in has to get, if that is not all after its cursor. */
  readonly owed: Map<DeviceOpening, OwedRow>;
  /** Set while writing: logins whose device misses entries that were dropped. */
  readonly lacking: Set<DeviceOpening>;
  /** Set while writing, by user: the time from which tokens are valid, in seconds since 1970. */
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
  if (!user) throw new Error('the user was not loaded before planning');
  return user;
}
