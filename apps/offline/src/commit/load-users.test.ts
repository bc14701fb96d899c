import { describe, expect, test } from '@jest/globals';
import { LaneQueue, type Item } from '../feed/lane-queue.js';
import { InboxLane, type CursorWork, type PendingLogin } from './inbox-lane.js';
import { MAX_CACHE_MISSES, readyOf, cacheMissesOf } from './load-users.js';
import type { Batch, LaneSessionWork, Slice } from './plan.js';
import { newUser } from './user.js';

const lanes = (count: number): InboxLane[] => Array.from({ length: count }, (_, lane) => new InboxLane(lane, 1, [0]));
const names = (word: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${word}${n}`);
const know = (lane: InboxLane, ...users: string[]): void => {
  for (const user of users) lane.users.set(user, newUser(user, 0));
};
const cursor = (user: string): CursorWork => ({ gateway: 'g', session: 1, user, device: 'd', epoch: 1, cursor: 1 });
const opening = (user: string): PendingLogin => ({
  request: { gateway: 'g', session: 1, user, device: 'd', deviceType: 'test', version: 2, login: 1, age: 0 },
  began: 0,
  answer: () => undefined,
});
const works = (
  lane: InboxLane,
  of: { cursors?: string[]; openings?: string[]; checks?: string[] },
): LaneSessionWork => ({
  lane,
  revocations: [],
  openings: (of.openings ?? []).map(opening),
  cursors: (of.cursors ?? []).map(cursor),
  checks: (of.checks ?? []).map((user) => ({ user, decide: () => undefined })),
});

/** Events of one message lane, each with its recipients, all of them in one inbox lane. */
function slice(lane: InboxLane, ...events: string[][]): Slice {
  const takers: (InboxLane | undefined)[] = [];
  takers[lane.lane] = lane;
  const items = events.map((users, n) => {
    const about = { position: n + 1, conversation: 'c', seq: n + 1, serverTime: 0, user: 'sender', device: 'd' };
    const item: Item = { lane: 0, event: about, body: '', bytes: 0, takers };
    return { item, recipients: users.map((user) => ({ user, lane: lane.lane })) };
  });
  return { queue: new LaneQueue(), items };
}
const batch = (of: Partial<Batch>): Batch => ({ works: [], slices: [], ...of });

describe('the users that are loaded for a step', () => {
  test('are limited in number, however much work waits in however many lanes', () => {
    const all = lanes(16).map((lane) => works(lane, { cursors: names(`c${lane.lane}-`, 2_000) }));
    expect(cacheMissesOf(batch({ works: all }), 0).size).toBe(MAX_CACHE_MISSES);
  });

  test('are those whose work has waited longest, and all are loaded after some steps', () => {
    const [lane] = lanes(1);
    const cursors = names('u', 2.5 * MAX_CACHE_MISSES);
    const waiting = batch({ works: [works(lane!, { cursors })] });
    const steps: string[][] = [];
    for (let turn = 0; steps.flat().length < cursors.length; turn++) {
      const cacheMisses = [...cacheMissesOf(waiting, turn).keys()];
      know(lane!, ...cacheMisses);
      steps.push(cacheMisses);
    }
    expect(steps).toHaveLength(3);
    expect(steps.flat()).toEqual(cursors);
  });

  test('are of each lane, each kind of work and each queue, so that a long queue does not delay the others', () => {
    const [busy, calm, reader] = lanes(3);
    const waiting = batch({
      works: [
        works(busy!, { cursors: names('c', 2_000), openings: ['login'] }),
        works(calm!, { checks: names('k', 3) }),
      ],
      slices: [slice(reader!, ...names('r', 3).map((user) => [user]))],
    });
    const cacheMisses = cacheMissesOf(waiting, 0);
    for (const user of ['login', ...names('k', 3), ...names('r', 3)]) expect(cacheMisses.has(user)).toBe(true);
  });

  test('are of other lanes at the next turn when there are more lanes than the limit', () => {
    const all = lanes(3 * MAX_CACHE_MISSES).map((lane) => works(lane, { cursors: names(`c${lane.lane}-`, 10) }));
    const seen = new Set<InboxLane>();
    for (let turn = 0; turn < 3; turn++) {
      for (const [user, lane] of cacheMissesOf(batch({ works: all }), turn)) {
        know(lane, user);
        seen.add(lane);
      }
    }
    expect(seen.size).toBe(all.length);
  });

  test('are none of a lost lane; a user in memory is marked as used', () => {
    const [lost, held] = lanes(2);
    know(held!, 'known');
    held!.users.get('known')!.used = false;
    lost!.lose();
    const waiting = batch({ works: [works(lost!, { cursors: ['x'] }), works(held!, { cursors: ['known'] })] });
    expect(cacheMissesOf(waiting, 0).size).toBe(0);
    expect(held!.users.get('known')!.used).toBe(true);
  });
});

describe('the work of a step while users are missing', () => {
  test('is the work of users in memory; checks only up to the first user that is missing', () => {
    const [lane, other] = lanes(2);
    know(lane!, 'a', 'b');
    const of = { cursors: ['x', 'a'], openings: ['y', 'b'], checks: ['a', 'z', 'b'] };
    const ready = readyOf(batch({ works: [works(lane!, of), works(other!, { cursors: ['x'] })] }));
    expect(ready.works).toHaveLength(1);
    const [one] = ready.works;
    expect(one?.cursors.map(({ user }) => user)).toEqual(['a']);
    expect(one?.openings.map(({ request }) => request.user)).toEqual(['b']);
    expect(one?.checks.map(({ user }) => user)).toEqual(['a']);
  });

  test('is the events of a queue up to the first with a recipient that is missing', () => {
    const [lane] = lanes(1);
    know(lane!, 'a', 'b');
    const ready = readyOf(batch({ slices: [slice(lane!, ['a'], ['b', 'x'], ['a'])] }));
    expect(ready.slices.map(({ items }) => items.length)).toEqual([1]);
  });

  test('does not include work of a lost lane', () => {
    const [lane] = lanes(1);
    const waiting = batch({ works: [works(lane!, { cursors: ['a'] })], slices: [slice(lane!, ['a'])] });
    lane!.lose();
    const ready = readyOf(waiting);
    expect(ready.works).toEqual([]);
    expect(ready.slices[0]?.items).toHaveLength(1);
  });
});
