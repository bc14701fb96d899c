import { beforeEach, expect, test } from '@jest/globals';
import type { SendReceipt } from '@huizhi/protocol';
import fc from 'fast-check';
import { pendingSend, type PendingSend } from './pending-send.js';
import { SendBudget, SessionSends, type Settled } from './session-sends.js';

const TIMINGS = { HZ_SEND_TIMEOUT: 30_000, HZ_RESEND_AFTER: 1_000, HZ_RESEND_MAX: 3_000, HZ_REORDER_HOLD: 10_000 };
const stored: SendReceipt = { position: 1, seq: 1, serverTime: 1 };
const unavailable: SendReceipt = { error: 'unavailable', reason: 'later' };
const refused: SendReceipt = { error: 'notAllowed', reason: 'no' };

let sends: SessionSends;
beforeEach(() => {
  sends = new SessionSends(TIMINGS, new SendBudget(Infinity));
});

const message = (clientID: string, conversation = 'p_1', lane = 1, body = '{}'): PendingSend =>
  pendingSend(lane, { kind: 'message', conversation, clientID, hash: 'h' }, body, '');
const offer = (...ids: string[]) => ids.map((id) => sends.offer(message(id), 0));
const idsOf = (batch: { sends: readonly PendingSend[] } | undefined) => batch?.sends.map(({ send }) => send.clientID);
const outcome = (settled: Settled[]) =>
  settled.map(({ pending, receipt }) => [pending.send.clientID, 'error' in receipt ? receipt.error : 'stored']);

test('a session has one unanswered batch per lane, and lanes do not wait for each other', () => {
  offer('m1', 'm2');
  sends.offer(message('n1', 'p_2', 2), 0);
  expect(idsOf(sends.take(1, 0))).toEqual(['m1', 'm2']);
  offer('m3');
  expect(sends.take(1, 0)).toBeUndefined();
  expect(idsOf(sends.take(2, 0))).toEqual(['n1']);
  expect(sends.answer(1, 1, [stored, stored], 5)).toHaveLength(2);
  expect(idsOf(sends.take(1, 5))).toEqual(['m3']);
  expect(sends.count).toBe(2);
});

test('a session ignores an answer to another batch than the unanswered one', () => {
  offer('m1');
  const batch = sends.take(1, 0);
  expect(sends.answer(1, 2, [stored], 0)).toEqual([]);
  expect(sends.answer(9, 1, [stored], 0)).toEqual([]);
  expect(sends.answer(1, batch?.number ?? 0, [stored], 0)).toHaveLength(1);
  expect(sends.answer(1, batch?.number ?? 0, [stored], 0)).toEqual([]);
  expect([sends.count, sends.bytes]).toEqual([0, 0]);
});

test('a session repeats the same batch at growing intervals until it is answered', () => {
  offer('m1');
  const first = sends.take(1, 0);
  offer('m2');
  expect(sends.repeat(999)).toEqual([]);
  const at: number[] = [];
  for (let now = 0; now < 12_000; now += 100) {
    for (const lane of sends.repeat(now)) {
      expect(sends.take(lane, now)).toBe(first);
      at.push(now);
    }
  }
  expect(at).toEqual([1000, 2500, 4800, 7800, 10800]);
  expect(idsOf(first)).toEqual(['m1']);
});

test('a session settles a batch and all sends behind it on that lane as unknown when the time is over', () => {
  offer('m1');
  sends.take(1, 0);
  offer('m2');
  sends.offer(message('n1', 'p_2', 2), 20_000);
  sends.take(2, 20_000);
  expect(sends.expire(29_999)).toEqual([]);
  expect(outcome(sends.expire(30_000))).toEqual([
    ['m1', 'unknown'],
    ['m2', 'unknown'],
  ]);
  expect(sends.answer(1, 1, [stored], 30_001)).toEqual([]);
  expect(sends.count).toBe(1);
});

test('a send expires in time when earlier batches of its lane took long', () => {
  offer('m1');
  sends.take(1, 0);
  sends.offer(message('m2'), 5_000);
  sends.offer(message('x1', 'p_other'), 20_000);
  sends.answer(1, 1, [stored], 29_000);
  sends.take(1, 34_500);
  expect(sends.nextDue()).toBe(35_000);
  sends.offer(message('m3'), 34_999);
  expect(sends.expire(34_999)).toEqual([]);
  expect(outcome(sends.expire(35_000))).toEqual([
    ['m2', 'unknown'],
    ['x1', 'unknown'],
    ['m3', 'unknown'],
  ]);
  expect(sends.offer(message('m3'), 35_001)).toBe('resendInOrder');
  expect(sends.offer(message('m2'), 35_002)).toBeUndefined();
  sends.take(1, 35_002);
  expect(sends.expire(65_001)).toEqual([]);
  expect(outcome(sends.expire(65_002))).toEqual([['m2', 'unknown']]);
});

test('a session refuses later sends of the conversation when a send was refused temporarily', () => {
  offer('m1');
  sends.take(1, 0);
  offer('m2');
  sends.offer(message('x1', 'p_other'), 0);
  expect(outcome(sends.answer(1, 1, [unavailable], 0))).toEqual([
    ['m1', 'unavailable'],
    ['m2', 'unavailable'],
  ]);
  expect(idsOf(sends.take(1, 0))).toEqual(['x1']);
  expect(sends.offer(message('m3'), 1)).toBe('resendInOrder');
  expect(sends.offer(message('m2'), 1)).toBe('resendInOrder');
  expect(sends.offer(message('m1'), 2)).toBeUndefined();
  expect(sends.offer(message('m2'), 3)).toBeUndefined();
});

test('a session accepts other sends again when the client does not repeat the refused one in time', () => {
  offer('m1');
  sends.take(1, 0);
  sends.answer(1, 1, [unavailable], 0);
  expect(sends.offer(message('m2'), 9_999)).toBe('resendInOrder');
  expect(sends.offer(message('m2'), 10_000)).toBeUndefined();
});

test('a session accepts later sends when a refusal is permanent', () => {
  offer('m1', 'm2');
  sends.take(1, 0);
  expect(outcome(sends.answer(1, 1, [refused, stored], 0))).toEqual([
    ['m1', 'notAllowed'],
    ['m2', 'stored'],
  ]);
  expect(sends.offer(message('m3'), 1)).toBeUndefined();
});

test('a session settles a send as unknown when the answer has no receipt for it', () => {
  offer('m1', 'm2');
  sends.take(1, 0);
  expect(outcome(sends.answer(1, 1, [stored], 0))).toEqual([
    ['m1', 'stored'],
    ['m2', 'unknown'],
  ]);
});

test('a session splits waiting sends into batches of limited size, with at least one send each', () => {
  const large = 'x'.repeat(100_000);
  for (const id of ['m1', 'm2', 'm3']) sends.offer(message(id, 'p_1', 1, large), 0);
  expect(idsOf(sends.take(1, 0))).toEqual(['m1', 'm2']);
  sends.answer(1, 1, [stored, stored], 0);
  expect(idsOf(sends.take(1, 0))).toEqual(['m3']);
});

type Step =
  { do: 'send'; to: number } | { do: 'answer'; how: ('stored' | 'unavailable')[] } | { do: 'wait'; ms: number };
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('send' as const), to: fc.integer({ min: 0, max: 2 }) }),
    fc.record({
      do: fc.constant('answer' as const),
      how: fc.array(fc.constantFrom('stored' as const, 'unavailable' as const), { minLength: 1, maxLength: 5 }),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(500, 5_000, 16_000, 31_000) }),
  ),
  { maxLength: 60 },
);

test('the send budget limits the bytes of all sessions, and a refused send is not overtaken', () => {
  const budget = new SendBudget(2.5 * message('m1').bytes);
  const [one, other] = [new SessionSends(TIMINGS, budget), new SessionSends(TIMINGS, budget)];
  expect([one.offer(message('m1'), 0), other.offer(message('m1'), 0)]).toEqual([undefined, undefined]);
  expect([one.offer(message('m2'), 0), other.offer(message('n1', 'p_2'), 0)]).toEqual(['unavailable', 'unavailable']);
  other.abandon();
  expect(one.offer(message('m3'), 1)).toBe('resendInOrder');
  expect(one.offer(message('m2'), 2)).toBeUndefined();
  one.take(1, 3);
  one.answer(1, 1, [stored, stored], 4);
  expect([budget.used, one.count, other.count]).toEqual([0, 0, 0]);
});

test('a session stores each conversation in order and settles each send once and in time for any sequence of events', () => {
  fc.assert(
    fc.property(steps, (script: Step[]) => {
      const budget = new SendBudget(5_000);
      const subject = new SessionSends({ ...TIMINGS, HZ_REORDER_HOLD: 1e9 }, budget);
      const toSend = new Map<string, string[]>();
      const storedIDs = new Map<string, string[]>();
      let now = 0;
      let made = 0;
      /** Unanswered sends, and when they were offered. */
      const open = new Map<string, number>();
      /** A client that repeats its unsettled sends in order before it sends new ones. */
      const push = (conversation: string): void => {
        const ids = toSend.get(conversation) ?? [];
        const refused = ids.findIndex((id) => subject.offer(message(id, conversation), now) !== undefined);
        const taken = refused === -1 ? ids.length : refused;
        for (const id of ids.slice(0, taken)) open.set(id, now);
        toSend.set(conversation, ids.slice(taken));
      };
      const settle = (settled: Settled[]): void => {
        const again = new Set<string>();
        for (const { pending, receipt } of settled) {
          const { conversation, clientID } = pending.send;
          expect(open.delete(clientID)).toBe(true);
          if ('error' in receipt) {
            toSend.set(conversation, [...(toSend.get(conversation) ?? []), clientID]);
            again.add(conversation);
          } else storedIDs.set(conversation, [...(storedIDs.get(conversation) ?? []), clientID]);
        }
        for (const conversation of again) push(conversation);
      };
      for (const step of script) {
        if (step.do === 'send') {
          const conversation = `p_${step.to}`;
          made += 1;
          toSend.set(conversation, [...(toSend.get(conversation) ?? []), String(made).padStart(4, '0')]);
          push(conversation);
        } else if (step.do === 'wait') {
          now += step.ms;
          settle(subject.expire(now));
          for (const since of open.values()) expect(now - since).toBeLessThan(TIMINGS.HZ_SEND_TIMEOUT);
          subject.repeat(now);
        }
        subject.take(1, now);
        if (step.do !== 'answer') continue;
        const number = batchNumber(subject);
        const batch = unansweredOf(subject);
        if (!batch) continue;
        // As the message service: after a temporary refusal, later sends of the conversation in the batch fail too.
        const failed = new Set<string>();
        const receipts = batch.map(({ send }, i): SendReceipt => {
          const fails = failed.has(send.conversation) || step.how[i % step.how.length] === 'unavailable';
          if (fails) failed.add(send.conversation);
          return fails ? unavailable : stored;
        });
        settle(subject.answer(1, number, receipts, now));
        subject.take(1, now);
      }
      expect(subject.count).toBe(open.size);
      expect(budget.used).toBe(subject.bytes);
      for (const ids of storedIDs.values()) expect(ids).toEqual([...new Set(ids)].sort());
    }),
    { numRuns: 500 },
  );
});

const laneOne = (subject: SessionSends) =>
  (
    subject as unknown as {
      lanes: Map<number, { unanswered?: { number: number; sends: PendingSend[] } }>;
    }
  ).lanes.get(1)?.unanswered;
const batchNumber = (subject: SessionSends): number => laneOne(subject)?.number ?? 0;
const unansweredOf = (subject: SessionSends): PendingSend[] | undefined => laneOne(subject)?.sends;
