import type pg from 'pg';
import { readDevices, readHeads } from '../sql/users.js';
import type { InboxLane } from './inbox-lane.js';
import type { Batch } from './plan.js';
import { newUser, type User } from './user.js';

/** Users that a batch needs and whom their lanes do not have in memory. */
export function strangersOf(batch: Batch): Map<string, InboxLane> {
  const strangers = new Map<string, InboxLane>();
  const need = (lane: InboxLane | undefined, id: string): void => {
    if (!lane || lane.state === 'lost') return;
    const user = lane.users.get(id);
    if (user) user.used = true;
    else strangers.set(id, lane);
  };
  for (const { items } of batch.slices) {
    for (const { item, recipients } of items) {
      for (const { user, lane } of recipients) need(item.takers[lane], user);
    }
  }
  for (const { lane, openings, cursors, checks, revocations } of batch.works) {
    for (const { request } of openings) need(lane, request.user);
    for (const { user } of cursors) need(lane, user);
    for (const { user } of checks) need(lane, user);
    for (const { user } of revocations) need(lane, user);
  }
  return strangers;
}

/**
 * Reads them into memory. May run before the transaction's fence: if another owner had written in between, the fence
 * fails and the lane is forgotten with all that was read.
 */
export async function loadUsers(client: pg.ClientBase, strangers: ReadonlyMap<string, InboxLane>): Promise<void> {
  const ids = [...strangers.keys()];
  const users = new Map<string, User>();
  for (const { user, head, tokensValidFrom } of await readHeads(client, ids)) {
    users.set(user, newUser(user, head, tokensValidFrom));
  }
  for (const { user, device: id, epoch, cursor, revokedEpoch } of await readDevices(client, ids)) {
    const device = { id, epoch, cursor, revokedEpoch, resync: false, session: undefined };
    users.get(user)?.devices.set(id, device);
  }
  for (const [id, user] of users) {
    const lane = strangers.get(id);
    if (lane && lane.state !== 'lost' && !lane.users.has(id)) lane.users.set(id, user);
  }
}
