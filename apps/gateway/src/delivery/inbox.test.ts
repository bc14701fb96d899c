import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Inbox } from './inbox.js';

const SETTINGS = { HZ_WINDOW: 5, HZ_REDELIVER_AFTER: 10_000, HZ_REDELIVER_MAX: 60_000, HZ_RECEIPT_OVERDUE: 30_000 };

const inboxAt = (cursor: number, head: number): Inbox => new Inbox(cursor, head, SETTINGS);
const id = (inboxSeq: number): string => `id${inboxSeq}`;
/** Writes all entries that may be written, as the pump does. */
const pump = (inbox: Inbox, now = 0): number[] => {
  const written: number[] = [];
  while (inbox.isBehind) {
    const at = inbox.next;
    if (inbox.take(id(at), now)) written.push(at);
  }
  return written;
};

test('the inbox begins after the cursor and stops when the window is full', () => {
  const inbox = inboxAt(10, 30);
  expect(pump(inbox)).toEqual([11, 12, 13, 14, 15]);
  expect([inbox.room, inbox.isBehind]).toEqual([0, false]);
  inbox.receiptUpTo(12, 0);
  expect(pump(inbox)).toEqual([16, 17]);
});

test('the inbox writes a live entry only when it is the next one and no catch-up runs', () => {
  const inbox = inboxAt(0, 0);
  expect(inbox.live(1, false)).toBe('now');
  inbox.take(id(1), 0);
  expect(inbox.live(1, false)).toBe('old');
  expect([inbox.live(3, false), inbox.head]).toEqual(['later', 3]);
  inbox.catchingUp = true;
  expect(inbox.live(2, false)).toBe('later');
});

test('the inbox leaves a live entry to the pump when the window is full', () => {
  const inbox = inboxAt(0, 5);
  pump(inbox);
  expect(inbox.live(6, false)).toBe('later');
  inbox.receiptUpTo(1, 0);
  expect(pump(inbox)).toEqual([6]);
});

test('the inbox moves the cursor to the last contiguous receipt, for receipts in any order', () => {
  const inbox = inboxAt(0, 4);
  pump(inbox);
  inbox.receiptMessage(id(3), 0);
  inbox.receiptMessage(id(2), 0);
  expect(inbox.cursor).toBe(0);
  inbox.receiptMessage(id(1), 0);
  expect(inbox.cursor).toBe(3);
  inbox.receiptMessage(id(1), 0);
  inbox.receiptMessage('unknown', 0);
  expect(inbox.cursor).toBe(3);
});

test('the inbox limits a cumulative receipt to the entries delivered in this session', () => {
  const inbox = inboxAt(0, 9);
  inbox.take(id(1), 0);
  inbox.take(id(2), 0);
  inbox.receiptUpTo(9, 0);
  expect([inbox.cursor, inbox.next]).toEqual([2, 3]);
});

test('the inbox counts void entries as receipted when the cursor reaches them', () => {
  const inbox = inboxAt(0, 4);
  inbox.take(undefined, 0);
  expect(inbox.cursor).toBe(1);
  inbox.take(id(2), 0);
  expect(inbox.take(undefined, 0)).toBe(false);
  expect(inbox.cursor).toBe(1);
  inbox.receiptMessage(id(2), 0);
  expect(inbox.cursor).toBe(3);
});

test('the inbox reports the previous entry, across void entries and redelivery', () => {
  const inbox = inboxAt(7, 12);
  expect(inbox.previous).toBe(7);
  inbox.take(undefined, 0);
  expect(inbox.previous).toBe(7);
  inbox.take(id(9), 0);
  inbox.take(undefined, 0);
  expect(inbox.previous).toBe(9);
  inbox.take(id(11), 0);
  inbox.receiptMessage(id(11), 0);
  inbox.rewind(10_000);
  expect([inbox.next, inbox.previous]).toEqual([9, 7]);
  expect(inbox.take(id(9), 10_000)).toBe(true);
  expect([inbox.next, inbox.previous]).toEqual([12, 11]);
});

test('the inbox tracks the last entry for the device, and counts an unknown entry until it proves void', () => {
  const inbox = inboxAt(0, 0);
  inbox.take(id(1), 0);
  inbox.live(2, true);
  inbox.take(undefined, 0);
  expect([inbox.head, inbox.last]).toEqual([2, 1]);
  inbox.catchingUp = true;
  inbox.live(3, true);
  expect(inbox.last).toBe(1);
  inbox.noteHead(4);
  expect(inbox.last).toBe(4);
  for (let at = 3; at <= 4; at++) inbox.take(undefined, 0);
  expect([inbox.head, inbox.last]).toEqual([4, 1]);
  inbox.live(5, false);
  expect(inbox.last).toBe(5);
  inbox.confirm(9, 0);
  expect(inbox.last).toBe(1);
});

test('the inbox redelivers only unreceipted entries, at growing intervals', () => {
  const inbox = inboxAt(0, 3);
  pump(inbox, 0);
  inbox.receiptMessage(id(2), 1_000);
  // The receipt of entry 2 proves that 1 has arrived, and that 3 arrives only now.
  expect(inbox.isRedeliveryDue(10_999)).toBe(false);
  expect(inbox.isRedeliveryDue(11_000)).toBe(true);
  inbox.rewind(11_000);
  expect(inbox.isRedeliveryDue(11_000)).toBe(false);
  expect(pump(inbox, 11_000)).toEqual([1, 3]);
  expect(inbox.isRedeliveryDue(30_999)).toBe(false);
  expect(inbox.isRedeliveryDue(31_000)).toBe(true);
  inbox.rewind(31_000);
  pump(inbox, 31_000);
  expect(inbox.nextDue(31_000)).toBe(71_000);
  inbox.receiptMessage(id(3), 32_000);
  // It was known before that entry 1 has arrived.
  expect(inbox.nextDue(32_000)).toBe(41_000);
});

test('the inbox redelivers a lost entry when the device receipts many later ones', () => {
  const inbox = new Inbox(0, 0, { ...SETTINGS, HZ_WINDOW: 50 });
  for (let at = 1; at <= 20; at++) {
    inbox.take(id(at), at * 1_000);
    if (at !== 1) inbox.receiptMessage(id(at), at * 1_000);
    expect([at, inbox.isRedeliveryDue(at * 1_000)]).toEqual([at, at >= 12]);
  }
});

test('the inbox does not redeliver an entry that was written shortly before', () => {
  const inbox = inboxAt(0, 3);
  inbox.take(id(1), 0);
  inbox.take(id(2), 4_000);
  inbox.take(id(3), 9_000);
  inbox.rewind(10_000);
  expect(pump(inbox, 10_000)).toEqual([1, 2]);
  expect([inbox.next, inbox.previous]).toEqual([4, 3]);
});

test('the inbox redelivers few bytes at a time', () => {
  const inbox = inboxAt(0, 4);
  for (let at = 1; at <= 4; at++) inbox.take(id(at), 0, 15_000);
  inbox.rewind(100_000);
  expect(pump(inbox, 100_000)).toEqual([1, 2, 3]);
  expect(inbox.next).toBe(5);
});

test('the inbox adds the transit time of a slow link to the receipt time', () => {
  const inbox = inboxAt(0, 2);
  inbox.take(id(1), 0, 40_000);
  inbox.take(id(2), 0, 40_000);
  expect(inbox.nextDue(0)).toBe(10_000 + 80_000 / 4);
  inbox.receiptMessage(id(1), 5_000);
  expect(inbox.nextDue(5_000)).toBe(5_000 + 10_000 + 40_000 / 4);
});

test('the inbox waits longer when the receipts of the device take long', () => {
  const inbox = inboxAt(0, 2);
  inbox.take(id(1), 0, 400);
  inbox.take(id(2), 0, 400);
  inbox.receiptMessage(id(1), 9_000);
  expect(inbox.nextDue(9_000)).toBe(9_000 + 400 / 4 + 2 * 9_000);
});

test('the inbox ends the redelivery when a receipt proves that the first copies have arrived', () => {
  const inbox = inboxAt(0, 3);
  pump(inbox);
  inbox.rewind(10_000);
  inbox.receiptUpTo(2, 10_000);
  expect([inbox.next, inbox.cursor, inbox.isRepeating]).toEqual([4, 2, false]);
  expect(pump(inbox)).toEqual([]);
  expect(inbox.isRedeliveryDue(19_999)).toBe(false);
  expect(inbox.isRedeliveryDue(20_000)).toBe(true);
});

test('the inbox skips entries that are receipted during the redelivery', () => {
  const inbox = inboxAt(0, 4);
  pump(inbox);
  inbox.receiptMessage(id(4), 0);
  inbox.rewind(10_000);
  inbox.receiptUpTo(2, 10_000);
  expect([inbox.next, inbox.cursor]).toEqual([3, 2]);
  expect(pump(inbox)).toEqual([3]);
});

test('the inbox counts an entry as receipted when it has become void', () => {
  const inbox = inboxAt(0, 2);
  pump(inbox);
  inbox.rewind(10_000);
  expect(inbox.take(undefined, 0)).toBe(false);
  expect([inbox.cursor, inbox.next]).toEqual([1, 2]);
});

test('the inbox is overdue when bytes in transit leave no room and no receipt comes within the time of a slow link', () => {
  const inbox = inboxAt(0, 9);
  for (let at = 1; at <= 4; at++) inbox.take(id(at), 0, 64_000);
  expect(inbox.bytes.batchAt).toBeGreaterThan(1_000);
  inbox.heldBack(1_000);
  expect([inbox.isOverdue(90_999), inbox.isOverdue(91_000)]).toEqual([false, true]);
  inbox.receiptMessage(id(1), 90_000);
  expect(inbox.isOverdue(100_000)).toBe(false);
});

test('the inbox is overdue when the window was full for too long without any receipt', () => {
  const inbox = inboxAt(0, 9);
  pump(inbox, 0);
  expect(inbox.isOverdue(29_999)).toBe(false);
  expect(inbox.isOverdue(30_000)).toBe(true);
  inbox.receiptMessage(id(3), 30_000);
  expect([inbox.isOverdue(59_999), inbox.isOverdue(60_000)]).toEqual([false, true]);
  inbox.receiptMessage(id(1), 31_000);
  expect(inbox.isOverdue(99_000)).toBe(false);
});

test('the inbox adopts a stored cursor that is ahead of its own', () => {
  const inbox = inboxAt(0, 9);
  pump(inbox);
  inbox.confirm(2, 0);
  expect([inbox.stored, inbox.cursor]).toEqual([2, 2]);
  inbox.confirm(8, 0);
  expect([inbox.stored, inbox.cursor, inbox.next]).toEqual([8, 8, 9]);
  inbox.confirm(3, 0);
  expect(inbox.stored).toBe(8);
});

type Step =
  | { do: 'live'; lost: boolean; isVoid: boolean }
  | { do: 'begin' | 'fetched' | 'rewind' }
  | { do: 'receipt'; at: number }
  | { do: 'upTo'; at: number };
const place = fc.integer({ min: 1, max: 40 });
const script = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('live' as const), lost: fc.boolean(), isVoid: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('begin' as const, 'fetched' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('receipt' as const), at: place }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('upTo' as const), at: place }) },
  ),
  { maxLength: 120 },
);

test('the inbox keeps the order, skips nothing and respects the window in any order of entries and receipts', () => {
  fc.assert(
    fc.property(script, (steps: Step[]) => {
      const inbox = inboxAt(0, 0);
      const log: { isVoid: boolean }[] = [];
      const receipted = new Set<number>();
      let page: { from: number; upTo: number } | undefined;
      let last = 0;
      let seen = 0;

      const write = (at: number): void => {
        const known = inbox.delivered >= at;
        const { isVoid } = log[at - 1] ?? { isVoid: false };
        const { previous } = inbox;
        expect(at).toBe(inbox.next);
        const shown = inbox.take(isVoid ? undefined : id(at), 0);
        expect(shown).toBe(!isVoid && !receipted.has(at));
        if (!shown) return;
        // Strictly ascending since the last rewind; at its first write no entry before it was skipped.
        expect(at).toBeGreaterThan(last);
        last = at;
        const between = log.slice(previous, at - 1);
        expect(between.every((entry) => entry.isVoid) || previous === 0).toBe(true);
        if (!known) {
          for (let missed = seen + 1; missed < at; missed++) expect(log[missed - 1]?.isVoid).toBe(true);
          seen = at;
        }
      };

      for (const step of steps) {
        if (step.do === 'live') {
          log.push({ isVoid: step.isVoid });
          if (!step.lost && inbox.live(log.length, step.isVoid) === 'now') write(log.length);
        } else if (step.do === 'begin' && !page) {
          inbox.noteHead(log.length);
          if (!inbox.isBehind) continue;
          inbox.catchingUp = true;
          page = { from: inbox.next, upTo: Math.min(log.length, inbox.next + 3) };
        } else if (step.do === 'fetched' && page) {
          for (let at = page.from; at <= page.upTo; at++) if (at === inbox.next && inbox.room > 0) write(at);
          page = undefined;
          inbox.catchingUp = false;
        } else if (step.do === 'rewind' && !page) {
          inbox.rewind(1_000_000);
          last = 0;
        } else if (step.do === 'receipt') {
          if (step.at <= inbox.delivered) receipted.add(step.at);
          inbox.receiptMessage(id(step.at), 0);
        } else if (step.do === 'upTo') {
          for (let at = 1; at <= Math.min(step.at, inbox.delivered); at++) receipted.add(at);
          inbox.receiptUpTo(step.at, 0);
        }
        expect(inbox.delivered - inbox.cursor).toBeLessThanOrEqual(SETTINGS.HZ_WINDOW);
        expect(inbox.next).toBeGreaterThan(inbox.cursor);
        for (let at = 1; at <= inbox.cursor; at++) expect(receipted.has(at) || log[at - 1]?.isVoid).toBe(true);
      }
      // No loss: with receipts, catch-up ends at the head.
      inbox.catchingUp = false;
      inbox.noteHead(log.length);
      while (inbox.cursor < log.length) {
        while (inbox.isBehind) inbox.take(id(inbox.next), 0);
        inbox.receiptUpTo(log.length, 0);
      }
      expect(inbox.cursor).toBe(log.length);
    }),
    { numRuns: 1_000 },
  );
});
