import { describe, expect, test } from '@jest/globals';
import { ByteWindow, type Sent } from './byte-window.js';
import { Inbox } from './inbox.js';

const SETTINGS = { HZ_WINDOW: 500, HZ_REDELIVER_AFTER: 10_000, HZ_REDELIVER_MAX: 60_000, HZ_RECEIPT_OVERDUE: 30_000 };
const HZ_BATCH_ENTRIES = 200;
const BATCH_BYTES = 256 * 1024;
const STEP_MS = 10;

interface Link {
  /** Bytes per second at a point in time, ms. */
  readonly rate: (now: number) => number;
  /** Ms by which the device delays a receipt. */
  readonly delayMs?: number;
  readonly roundTripMs?: number;
  readonly entries: number;
  readonly bytes: number;
  /** Version 1: each entry is a separate frame with a receipt of its own. */
  readonly singly?: boolean;
}

interface Frame {
  left: number;
  readonly upTo: number;
}

/** Simulates in virtual time how the pump delivers a backlog over a link with unlimited buffers. */
function simulate({ rate, delayMs = 0, roundTripMs = 50, entries, bytes, singly = false }: Link) {
  const inbox = new Inbox(0, entries, SETTINGS);
  const result = { sent: 0, repeats: 0, batches: 0, mostSeconds: 0, tookMs: 0, overdue: false };
  const link: Frame[] = [];
  let receipts: { at: number; upTo: number }[] = [];

  const write = (now: number): void => {
    const { isRepeating } = inbox;
    const maxBytes = Math.min(BATCH_BYTES, inbox.bytes.batchBytes(now));
    let batch = 0;
    for (let count = Math.min(HZ_BATCH_ENTRIES, inbox.batchRoom); count > 0; count--) {
      if (inbox.next > entries || (batch > 0 && batch + bytes > maxBytes)) break;
      const upTo = inbox.next;
      if (!inbox.take(String(upTo), now, bytes)) continue;
      batch += bytes;
      if (isRepeating) result.repeats += 1;
      if (singly) link.push({ left: bytes, upTo });
    }
    if (!singly) link.push({ left: batch, upTo: inbox.delivered });
    result.batches += 1;
    result.sent += batch;
  };

  for (let now = 0; inbox.cursor < entries && now < 3_600_000; now += STEP_MS) {
    for (const { upTo } of receipts.filter(({ at }) => at <= now)) inbox.receiptUpTo(upTo, now);
    receipts = receipts.filter(({ at }) => at > now);
    if (inbox.isRedeliveryDue(now)) inbox.rewind(now);
    if (inbox.isOverdue(now)) result.overdue = true;
    while (inbox.isBehind && (inbox.isRepeating || now >= inbox.bytes.batchAt)) {
      if (inbox.bytes.batchBytes(now) < BATCH_BYTES) inbox.bytes.limits();
      write(now);
    }
    if (inbox.isBehind) inbox.heldBack(now);
    const queued = link.reduce((sum, frame) => sum + frame.left, 0);
    if (inbox.cursor > entries / 2) result.mostSeconds = Math.max(result.mostSeconds, queued / rate(now));
    let budget = (rate(now) * STEP_MS) / 1_000;
    while (budget > 0 && link[0]) {
      const part = Math.min(budget, link[0].left);
      budget -= part;
      link[0].left -= part;
      if (link[0].left > 0) break;
      receipts.push({ at: now + roundTripMs + delayMs, upTo: (link.shift() as Frame).upTo });
    }
    result.tookMs = now;
  }
  expect(inbox.cursor).toBe(entries);
  return result;
}

const KB = 1_000;
const backlogs = { '20 × 50 KB': [20, 50_000], '10 × 64 KB': [10, 65_000], '4,000 × 250 bytes': [4_000, 250] } as const;

describe.each(Object.entries(backlogs))('a backlog of %s', (_, [entries, bytes]) => {
  test.each([8, 12, 16, 48, 200, 1_000])(
    'is delivered once and never overdue when the link carries %s KB/s',
    (rate) => {
      for (const delayMs of [0, 5_000]) {
        for (const singly of [false, true]) {
          const link = { rate: () => rate * KB, delayMs, singly, entries, bytes };
          const { repeats, overdue, mostSeconds, tookMs } = simulate(link);
          expect({ ...link, repeats, overdue }).toMatchObject({ repeats: 0, overdue: false });
          // After receipts have shown the speed of the link; one entry must always fit.
          expect(mostSeconds).toBeLessThanOrEqual(Math.max(13, (4 * bytes) / (rate * KB)) + delayMs / 1_000);
          // At most twice the time that the bytes take, and a few round trips to measure the link.
          expect(tookMs).toBeLessThan(2 * ((entries * bytes) / rate) + 10 * delayMs + 1_000);
        }
      }
    },
  );

  test('is delivered with few repeats when the link slows down, and fast when the link speeds up', () => {
    const slower = simulate({ rate: (now) => (now < 500 ? 1_000 : 16) * KB, entries: 3 * entries, bytes });
    expect(slower.sent).toBeLessThan(1.1 * 3 * entries * bytes);
    expect(slower.overdue).toBe(false);
    const faster = simulate({ rate: (now) => (now < 20_000 ? 16 : 1_000) * KB, entries: 3 * entries, bytes });
    expect(faster).toMatchObject({ repeats: 0, overdue: false });
    expect(faster.tookMs).toBeLessThan(20_000 + 20_000);
  });
});

test('the byte window adds no round trips when the link is fast', () => {
  const fast = { rate: () => 100_000 * KB, roundTripMs: STEP_MS, entries: 20_000, bytes: 300 };
  const { batches, repeats, tookMs } = simulate(fast);
  // As without the byte window: batches of 200, 200 and 100 entries in each round trip.
  const roundTrips = 20_000 / SETTINGS.HZ_WINDOW;
  const long = simulate({ ...fast, entries: 2_000, bytes: 32_000 });
  // The maximum batch, seven of these entries, is reached soon.
  expect(long.batches).toBeLessThan(2_000 / 7 + 10);
  expect({ batches, repeats, tookMs }).toMatchObject({ repeats: 0 });
  expect(batches).toBe(3 * roundTrips);
  expect(tookMs / STEP_MS).toBe(roundTrips);
});

const sent = (window: ByteWindow, bytes: number, at: number): Sent => {
  const end = window.wrote(bytes, at);
  return { at, end, transit: window.transit };
};

test('the byte window grows only while it limits deliveries', () => {
  const window = new ByteWindow();
  const room = window.room(0);
  for (let n = 1; n <= 10; n++) window.receipted(sent(window, 10_000, n), n);
  expect(window.room(20)).toBe(room);
  const entry = sent(window, 60_000, 20);
  expect(window.batchBytes(20)).toBe(room / 2);
  window.limits();
  window.receipted(entry, 20);
  expect(window.room(20)).toBe(room + 60_000);
});

test('the byte window shrinks to the bytes of two seconds plus the fastest receipt time when the link is slow', () => {
  const window = new ByteWindow();
  const entries = [16_000, 100_000, 100_000].map((bytes) => sent(window, bytes, 0));
  window.receipted(entries[0] as Sent, 1_000);
  window.receipted(entries[1] as Sent, 7_250);
  window.receipted(entries[2] as Sent, 13_500);
  expect(window.room(13_500)).toBe(3 * 16_000);
});

test('the byte window has room without a receipt when the slowest link would have carried the bytes in transit', () => {
  const window = new ByteWindow();
  const room = window.room(0);
  window.wrote(room, 0);
  expect([window.room(0), window.batchAt]).toEqual([0, 16_384 / 4]);
  window.wrote(1_000, window.batchAt);
  expect(window.room(16_384 / 4)).toBe(16_384 - 1_000);
});

test('the byte window counts other frames as in transit until they may have arrived', () => {
  const window = new ByteWindow();
  window.wroteOther(40_000, 1_000);
  expect(window.transitMs(1_000, 60_000)).toBe(10_000);
  expect(window.transitMs(6_000, 60_000)).toBe(5_000);
  window.receipted(sent(window, 100, 6_000), 6_001);
  expect(window.transitMs(6_001, 60_000)).toBe(0);
});
