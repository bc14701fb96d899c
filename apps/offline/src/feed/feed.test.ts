import { describe, expect, jest, test } from '@jest/globals';
import type { LaneEvent } from '@huizhi/protocol';
import fc from 'fast-check';
import { InboxLane } from '../commit/inbox-lane.js';
import { Feed } from './feed.js';

const HZ_MESSAGE_LANES = 2;

/** The lane log, the news of it, and everything that can happen to them on the way. */
class World {
  readonly heads = [0, 0];
  readonly taken = new Map<InboxLane, number[][]>();
  failures = 0;
  readonly feed = new Feed({
    messageLanes: HZ_MESSAGE_LANES,
    readRange: (lane, from, limit) => {
      if (this.failures > 0) {
        this.failures -= 1;
        return Promise.reject(new Error('no answer'));
      }
      const count = Math.max(0, Math.min(limit, 7, (this.heads[lane] ?? 0) - from + 1));
      const events = this.events(from, count);
      return Promise.resolve({ events, bodies: events.map(() => '{}'), head: this.heads[lane] ?? 0 });
    },
    onItems: () => undefined,
  });

  take(number: number, applied: number[]): InboxLane {
    const lane = new InboxLane(number, 1, applied);
    this.taken.set(lane, [[], []]);
    this.feed.add(lane);
    this.feed.requestHeads();
    return lane;
  }

  news(lane: number, from: number, count: number): void {
    const events = this.events(from, count);
    this.feed.committed(
      { runs: [{ lane, epoch: 1, events }] },
      events.map(() => '{}'),
    );
  }

  /** The writer's part: takes what waits and writes down who got what. */
  consume(): void {
    for (const queue of this.feed.waiting()) {
      for (let i = 0; i < queue.length; i++) {
        const item = queue.at(i);
        for (const lane of item?.takers ?? [])
          if (lane?.takesEvents) this.taken.get(lane)?.[item!.lane]?.push(item!.event.position);
      }
      queue.shift(queue.length);
    }
    this.feed.applied();
  }

  private events(from: number, count: number): LaneEvent[] {
    return Array.from({ length: count }, (_, i) => ({
      position: from + i,
      conversation: 'c',
      seq: from + i,
      serverTime: 1,
      user: 'u',
      device: 'd',
      pair: ['u', 'v'],
    }));
  }
}

const lane = fc.integer({ min: 0, max: HZ_MESSAGE_LANES - 1 });
const step = fc.oneof(
  fc.record({ do: fc.constant('commit' as const), lane, count: fc.integer({ min: 1, max: 5 }), heard: fc.boolean() }),
  // News of any part of the past: late, doubled, in any order.
  fc.record({
    do: fc.constant('again' as const),
    lane,
    back: fc.integer({ min: 0, max: 12 }),
    count: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ do: fc.constant('announce' as const), lane }),
  fc.record({ do: fc.constant('break' as const), times: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('consume' as const) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
  fc.record({ do: fc.constant('survey' as const) }),
  fc.record({ do: fc.constant('lose' as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function act(world: World, one: Step): Promise<void> {
  switch (one.do) {
    case 'commit': {
      const from = (world.heads[one.lane] ?? 0) + 1;
      world.heads[one.lane] = from + one.count - 1;
      if (one.heard) world.news(one.lane, from, one.count);
      return;
    }
    case 'again': {
      const head = world.heads[one.lane] ?? 0;
      const from = Math.max(1, head - one.back);
      const count = Math.min(one.count, head - from + 1);
      if (count > 0) world.news(one.lane, from, count);
      return;
    }
    case 'announce':
      return world.feed.headAnnounced(one.lane, world.heads[one.lane] ?? 0);
    case 'break':
      world.failures = one.times;
      return;
    case 'consume':
      return world.consume();
    case 'wait':
      await jest.advanceTimersByTimeAsync(one.ms);
      return;
    case 'survey':
      return world.feed.requestHeads();
    case 'lose': {
      // A lane is lost and taken again from where it was stored: a little behind.
      const lost = [...world.taken.keys()].find((held) => held.lane === 1 && held.state === 'held');
      if (!lost) return;
      const stored = world.taken.get(lost)!.map((positions, i) => positions.at(-1) ?? lost.applied[i] ?? 0);
      lost.lose();
      world.feed.remove(lost);
      world.take(
        1,
        stored.map((position) => Math.max(0, position - 2)),
      );
    }
  }
}

describe('the feed', () => {
  test('gives every inbox lane every position exactly once, in order, whatever becomes of the news', async () => {
    jest.useFakeTimers();
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 60 }),
          fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 4, maxLength: 4 }),
          async (steps, vector) => {
            const world = new World();
            world.heads.fill(5);
            world.take(0, vector.slice(0, 2));
            world.take(1, vector.slice(2));
            for (const one of steps) await act(world, one);
            for (const each of [0, 1]) world.feed.headAnnounced(each, world.heads[each] ?? 0);
            for (let i = 0; i < 40; i++) {
              await jest.advanceTimersByTimeAsync(1_000);
              world.consume();
            }
            for (const [inbox, lanes] of world.taken) {
              lanes.forEach((positions, each) => {
                const start = inbox.applied[each] ?? 0;
                expect(positions).toEqual(positions.map((_, i) => start + 1 + i));
                if (inbox.state === 'held') expect(start + positions.length).toBe(world.heads[each]);
              });
            }
            expect(world.feed.lag).toBe(0);
            await world.feed.stop();
          },
        ),
        { numRuns: 300 },
      );
    } finally {
      jest.useRealTimers();
    }
  }, 60_000);

  test('looks ahead at what comes next in each lane first', () => {
    const world = new World();
    world.take(0, [0, 0]);
    world.news(0, 1, 2);
    world.news(1, 1, 3);
    expect([...world.feed.ahead()].map((event) => event.position)).toEqual([1, 1, 2, 2, 3]);
    world.consume();
    expect([...world.feed.ahead()]).toEqual([]);
  });

  test('drops news when nothing waits any more for room, and reads it from the log once there is room', async () => {
    jest.useFakeTimers();
    try {
      const world = new World();
      const inbox = world.take(0, [0, 0]);
      for (let head = 0; head < 6_000; head += 100) {
        world.heads[0] = head + 100;
        world.news(0, head + 1, 100);
      }
      expect(world.feed.length).toBe(4_000);
      for (let i = 0; i < 1_000 && world.taken.get(inbox)![0]!.length < 6_000; i++) {
        world.consume();
        await jest.advanceTimersByTimeAsync(10);
      }
      expect(world.taken.get(inbox)![0]).toEqual(Array.from({ length: 6_000 }, (_, i) => i + 1));
      await world.feed.stop();
    } finally {
      jest.useRealTimers();
    }
  });

  test('believes the log when it ends before what was heard of', async () => {
    jest.useFakeTimers();
    try {
      const world = new World();
      world.take(0, [0, 0]);
      world.heads[0] = 3;
      world.feed.headAnnounced(0, 99);
      await jest.advanceTimersByTimeAsync(30_000);
      expect(world.feed.lag).toBe(0);
      expect(world.feed.length).toBe(3);
      await world.feed.stop();
    } finally {
      jest.useRealTimers();
    }
  });
});
