import { describe, expect, test } from '@jest/globals';
import { LaneQueue, type Item } from '../feed/lane-queue.js';
import { InboxLane } from './inbox-lane.js';
import { planEntries, type Slice } from './plan.js';

/** Events of message lane 0 for these inbox lanes, without recipients: only the vectors matter here. */
function items(from: number, to: number, ...lanes: InboxLane[]): Item[] {
  const takers: (InboxLane | undefined)[] = [];
  for (const lane of lanes) takers[lane.lane] = lane;
  return Array.from({ length: to - from + 1 }, (_, n) => {
    const event = {
      position: from + n,
      conversation: 'p_x',
      seq: from + n,
      serverTime: 0,
      user: 'ann',
      device: 'phone',
    };
    return { lane: 0, event, body: '', bytes: 0, takers };
  });
}

function applied(lane: InboxLane, ...queued: Item[][]): number | undefined {
  const slice: Slice = { queue: new LaneQueue(), items: queued.flat().map((item) => ({ item, recipients: [] })) };
  return planEntries([slice]).applied.get(lane)?.[0];
}

describe('the vector that a transaction writes', () => {
  const one = new InboxLane(1, 1, [2]);
  const other = new InboxLane(2, 1, [0]);

  test("ends at the lane's last event", () => {
    expect(applied(one, items(3, 5, one))).toBe(5);
  });

  test('covers the events before another lane joins', () => {
    expect(applied(one, items(3, 5, one), items(6, 7, one, other))).toBe(7);
  });

  test("covers a lane's events when earlier ones follow that were read again for another lane", () => {
    expect(applied(one, items(3, 5, one), items(1, 4, other))).toBe(5);
    expect(applied(other, items(3, 5, one), items(1, 4, other))).toBe(4);
  });
});
