import type { DedicatedConnection } from '@huizhi/database';
import type pg from 'pg';
import { readDevices, readHeads } from '../sql/users.js';
import type { InboxLane } from './inbox-lane.js';
import type { Batch, LaneSessionWork, Slice } from './plan.js';
import { newUser, NOTHING, type User } from './user.js';

/** Limit of users that one step loads over all lanes: each needs a look-up in every day partition. */
export const MAX_CACHE_MISSES = 1_000;
/** Limit of users per statement, so that it ends in time however many days are kept. Other work runs in between. */
export const MAX_USERS_PER_QUERY = 200;

interface CacheMiss {
  readonly user: string;
  readonly lane: InboxLane;
}

/**
 * Users that a batch needs and that are not in memory. Takes the first of each queue and each kind of work in turn, so
 * that no long queue delays the others. When even these are too many, the next `turn` starts with others. Users beyond
 * the limit are loaded in a later step, and their work waits in its queue.
 */
export function cacheMissesOf(batch: Batch, turn: number): Map<string, InboxLane> {
  const queues = lackingIn(batch);
  const cacheMisses = new Map<string, InboxLane>();
  const longest = queues.reduce((most, queue) => Math.max(most, queue.length), 0);
  for (let place = 0; place < longest; place++) {
    for (let n = 0; n < queues.length; n++) {
      const cacheMiss = queues[(turn * MAX_CACHE_MISSES + n) % queues.length]?.[place];
      if (!cacheMiss) continue;
      cacheMisses.set(cacheMiss.user, cacheMiss.lane);
      if (cacheMisses.size === MAX_CACHE_MISSES) return cacheMisses;
    }
  }
  return cacheMisses;
}

/** Cache misses by queue and by kind of work, in order. Marks users in memory as used, so that they are not evicted. */
function lackingIn(batch: Batch): CacheMiss[][] {
  const queues: CacheMiss[][] = [];
  const meet = (queue: CacheMiss[], lane: InboxLane | undefined, id: string): void => {
    if (!lane || lane.state === 'lost') return;
    const user = lane.users.get(id);
    if (user) user.used = true;
    else queue.push({ user: id, lane });
  };
  for (const { items } of batch.slices) {
    const queue: CacheMiss[] = [];
    for (const { item, recipients } of items) {
      for (const { user, lane } of recipients) meet(queue, item.takers[lane], user);
    }
    queues.push(queue);
  }
  for (const { lane, openings, cursors, checks, revocations } of batch.works) {
    for (const works of [openings.map(({ request }) => request), cursors, checks, revocations]) {
      const queue: CacheMiss[] = [];
      for (const { user } of works) meet(queue, lane, user);
      queues.push(queue);
    }
  }
  return queues.filter((queue) => queue.length > 0);
}

/**
 * Loads the users into memory. It may run before the fenced transaction: if another owner wrote in between, the fence
 * fails and the lane is forgotten with all that was read.
 */
export async function loadUsers(
  connection: DedicatedConnection,
  cacheMisses: ReadonlyMap<string, InboxLane>,
): Promise<void> {
  const ids = [...cacheMisses.keys()];
  for (let from = 0; from < ids.length; from += MAX_USERS_PER_QUERY) {
    const some = ids.slice(from, from + MAX_USERS_PER_QUERY);
    for (const user of await connection.exclusive((client) => readUsers(client, some))) {
      const lane = cacheMisses.get(user.id);
      if (lane && lane.state !== 'lost' && !lane.users.has(user.id)) lane.users.set(user.id, user);
    }
  }
}

async function readUsers(client: pg.ClientBase, ids: readonly string[]): Promise<Iterable<User>> {
  const users = new Map<string, User>();
  for (const { user, head, tokensValidFrom } of await readHeads(client, ids)) {
    users.set(user, newUser(user, head, tokensValidFrom));
  }
  for (const { user, device: id, epoch, cursor, revokedEpoch } of await readDevices(client, ids)) {
    const device = { id, epoch, cursor, revokedEpoch, resync: false, owed: NOTHING, session: undefined };
    users.get(user)?.devices.set(id, device);
  }
  return users.values();
}

/** The part of a batch whose users are in memory. Work of lost lanes is removed. */
export function readyOf({ works, slices }: Batch): Batch {
  return {
    works: works.filter(({ lane }) => lane.state !== 'lost').flatMap(readyWorks),
    slices: slices.map(readySlice),
  };
}

function readyWorks({ lane, openings, cursors, checks, revocations }: LaneSessionWork): LaneSessionWork[] {
  const isHere = ({ user }: { user: string }): boolean => lane.users.has(user);
  const missing = checks.findIndex((check) => !isHere(check));
  const ready: LaneSessionWork = {
    lane,
    openings: openings.filter(({ request }) => isHere(request)),
    cursors: cursors.filter(isHere),
    // AfterCommit removes as many checks from the front of the queue as were decided, so there must be no gaps.
    checks: missing < 0 ? checks : checks.slice(0, missing),
    revocations: revocations.filter(isHere),
  };
  const { length } = [...ready.openings, ...ready.cursors, ...ready.checks, ...ready.revocations];
  return length > 0 ? [ready] : [];
}

/** Keeps the order: no event may overtake one whose recipients are not all in memory. */
function readySlice({ queue, items }: Slice): Slice {
  const missing = items.findIndex(({ item, recipients }) =>
    recipients.some(({ user, lane: number }) => {
      const lane = item.takers[number];
      return lane !== undefined && lane.state !== 'lost' && !lane.users.has(user);
    }),
  );
  return { queue, items: missing < 0 ? items : items.slice(0, missing) };
}
