import { expect, test } from '@jest/globals';
import { EventLoopWatchdog } from './event-loop-watchdog.js';
import { TokenBucket } from './token-bucket.js';
import { TimingWheel, type Timed } from './timing-wheel.js';

class Item implements Timed {
  wheelAt = 0;
  readonly asked: number[] = [];
  constructor(private readonly next?: number) {}
  due(now: number): number | undefined {
    this.asked.push(now);
    return this.next === undefined ? undefined : now + this.next;
  }
}

test('the wheel calls an item at its time, once, and again when the item requests it', () => {
  const wheel = new TimingWheel(0, 100, 8);
  const once = new Item();
  const often = new Item(200);
  wheel.arm(once, 150);
  wheel.arm(often, 150);
  for (let now = 50; now <= 700; now += 50) wheel.advance(now);
  expect(once.asked).toEqual([200]);
  expect(often.asked).toEqual([200, 400, 600]);
});

test('the wheel keeps the earliest of several times, and none after disarm', () => {
  const wheel = new TimingWheel(0, 100, 8);
  const item = new Item();
  wheel.arm(item, 500);
  wheel.arm(item, 200);
  wheel.arm(item, 400);
  wheel.advance(1_000);
  expect(item.asked).toEqual([1_000]);
  wheel.arm(item, 1_200);
  wheel.disarm(item);
  wheel.advance(2_000);
  expect(item.asked).toHaveLength(1);
});

test('the wheel calls an item early when its time is beyond reach, and all items after a long pause', () => {
  const wheel = new TimingWheel(0, 100, 8);
  const far = new Item();
  wheel.arm(far, 100_000);
  wheel.advance(700);
  expect(far.asked).toEqual([700]);
  const items = Array.from({ length: 7 }, () => new Item());
  items.forEach((item, i) => wheel.arm(item, 800 + i * 100));
  wheel.advance(1_000_000);
  expect(items.map(({ asked }) => asked.length)).toEqual([1, 1, 1, 1, 1, 1, 1]);
});

test('the wheel continues when an item throws', () => {
  const errors: unknown[] = [];
  const wheel = new TimingWheel(0, 100, 8, (error) => errors.push(error));
  const bad: Timed = {
    wheelAt: 0,
    due: () => {
      throw new Error('oops');
    },
  };
  const good = new Item();
  wheel.arm(bad, 100);
  wheel.arm(good, 100);
  wheel.advance(100);
  expect([errors.length, good.asked]).toEqual([1, [100]]);
});

test('the watchdog is stale after a pause of the event loop or the bus, and not before', () => {
  const watchdog = new EventLoopWatchdog(0, 60_000);
  expect([watchdog.isStale(60_000), watchdog.isStale(60_001)]).toEqual([false, true]);
  watchdog.turn(60_001);
  watchdog.bus(false, 70_000);
  watchdog.bus(false, 90_000);
  watchdog.turn(130_000);
  expect([watchdog.isStale(130_000), watchdog.isStale(130_001)]).toEqual([false, true]);
  watchdog.bus(true, 130_001);
  expect(watchdog.isStale(130_001)).toBe(false);
});

test('the bucket allows a burst of twice the rate, then the rate', () => {
  const bucket = new TokenBucket(10, 0);
  const taken = (now: number): number => {
    let count = 0;
    while (bucket.take(now)) count += 1;
    return count;
  };
  expect([taken(0), taken(500), taken(10_000)]).toEqual([20, 5, 20]);
});
