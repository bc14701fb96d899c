import { describe, expect, test } from '@jest/globals';
import { InboxLane, type CursorWork } from './inbox-lane.js';
import { newUser, NOTHING, type Device, type User } from './user.js';

const withDevice = (lane: InboxLane, id: string): { user: User; device: Device } => {
  const user = newUser(id, 3);
  const device: Device = {
    id: 'phone',
    epoch: 1,
    cursor: 0,
    revokedEpoch: 0,
    resync: false,
    owed: NOTHING,
    session: undefined,
  };
  user.devices.set('phone', device);
  lane.users.set(id, user);
  return { user, device };
};
const work = (cursor: number, epoch = 1): CursorWork => ({
  gateway: 'g',
  session: 1,
  user: 'u',
  device: 'phone',
  epoch,
  cursor,
});

describe('an inbox lane in memory', () => {
  test('evicts unused users, but no user with a session', () => {
    const lane = new InboxLane(0, 1, [0], 10);
    for (let i = 0; i < 30; i++) {
      const { user, device } = withDevice(lane, `u${i}`);
      if (i < 5) lane.register(user, device, 'g', i, 0);
      user.used = i >= 25;
    }
    for (let round = 0; round < 5; round++) lane.evict();
    expect(lane.users.size).toBe(10);
    for (let i = 0; i < 5; i++) expect(lane.users.has(`u${i}`)).toBe(true);
  });

  test('replaces the session of a device by a newer one', () => {
    const lane = new InboxLane(0, 1, [0]);
    const { user, device } = withDevice(lane, 'u');
    expect(lane.register(user, device, 'g', 1, 0)).toBeUndefined();
    expect(lane.register(user, device, 'g', 1, 5)).toBeUndefined();
    device.epoch = 2;
    expect(lane.register(user, device, 'h', 1, 0)).toMatchObject({ gateway: 'g', session: 1 });
    expect(user.live).toHaveLength(1);
    expect(lane.sessions.size).toBe(1);
  });

  test('keeps only the highest waiting cursor of a session', () => {
    const lane = new InboxLane(0, 1, [0]);
    for (const cursor of [3, 7, 5]) lane.addCursor(work(cursor));
    expect([...lane.cursors.values()].map((one) => one.cursor)).toEqual([7]);
  });

  test('accepts no work and holds no user after it is lost', () => {
    const lane = new InboxLane(0, 1, [0]);
    const { user, device } = withDevice(lane, 'u');
    lane.register(user, device, 'g', 1, 0);
    lane.addCursor(work(1));
    lane.lose();
    expect(lane.addCursor(work(2))).toBe(false);
    expect(lane.addCheck({ user: 'u', decide: () => undefined })).toBe(false);
    expect([lane.hasWork, lane.users.size, user.live.length]).toEqual([false, 0, 0]);
  });
});
