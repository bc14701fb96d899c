import { expect, it } from '@jest/globals';
import { encodeLines, laneOf, type Send, type SendBatch, type SendReceipt } from '@huizhi/protocol';
import { Intake } from './intake.js';

const LANES = 8;

const conversationOf = (lane: number): string =>
  Array.from({ length: 1000 }, (_, n) => `c${n}`).find((conversation) => laneOf(conversation, LANES) === lane)!;

function payload(session: number, batch: number, count: number, lane = 1, of = lane): Uint8Array {
  const send = (clientID: string): Send => ({
    ...{ kind: 'message', conversation: conversationOf(of), clientID, hash: 'h', to: 'bob' },
  });
  const sends = Array.from({ length: count }, (_, n) => send(`${session}-${batch}-${n}`));
  const head: SendBatch = { gateway: 'g', sessions: [{ session, lane, batch, user: 'alice', device: 'd', sends }] };
  const bodies = sends.map((one) => JSON.stringify({ id: one.clientID }));
  return new TextEncoder().encode(encodeLines(head, bodies));
}

const all = (): boolean => true;
const nothing = { overflow: [], misplaced: [], decided: [] };

it('takes whole batches, oldest first, and gives each send its own body', () => {
  const intake = new Intake(LANES);
  intake.accept(payload(1, 1, 2), all);
  intake.accept(payload(2, 1, 3), all);
  intake.accept(payload(3, 1, 1), all);
  const [first, second] = intake.take(5);
  expect(first?.items.map((item) => item.body)).toEqual(['{"id":"1-1-0"}', '{"id":"1-1-1"}']);
  expect(second?.items).toHaveLength(3);
  expect(intake.size).toBe(1);
});

it('takes a batch that is larger than asked for', () => {
  const intake = new Intake(LANES);
  intake.accept(payload(1, 1, 9), all);
  expect(intake.take(5)).toHaveLength(1);
});

it('passes over a batch that waits already or is being decided, and takes it again afterwards', () => {
  const intake = new Intake(LANES);
  intake.accept(payload(1, 1, 2), all);
  intake.accept(payload(1, 1, 2), all);
  const works = intake.take(100);
  expect(works).toHaveLength(1);
  intake.accept(payload(1, 1, 2), all);
  expect(intake.size).toBe(0);
  intake.decided(works);
  intake.accept(payload(1, 1, 2), all);
  expect(intake.size).toBe(2);
});

it('answers what was refused for good as it did, when it is said again; anything else is decided anew', () => {
  const intake = new Intake(LANES);
  const stored = { position: 1, seq: 1, serverTime: 1 };
  const notAllowed = { error: 'notAllowed', reason: 'no' } as const;
  const unavailable = { error: 'unavailable', reason: 'later' } as const;
  const verdicts: SendReceipt[][] = [
    [stored, notAllowed],
    [stored, stored],
    [stored, unavailable],
  ];
  verdicts.forEach((_, session) => intake.accept(payload(session, 1, 2), all));
  const works = intake.take(100);
  works.forEach((work, at) => work.settleAll(verdicts[at] ?? []));
  intake.decided(works);
  const again = verdicts.map((_, session) => intake.accept(payload(session, 1, 2), all).decided);
  expect(again.map((decided) => decided.map((work) => work.answer()?.receipts))).toEqual([[verdicts[0]], [], []]);
  expect(intake.size).toBe(4);
  expect(intake.accept(payload(0, 2, 2), all)).toEqual(nothing);
});

it('remembers a bounded number of such answers', () => {
  const intake = new Intake(LANES);
  for (let session = 0; session < 3_000; session++) {
    intake.accept(payload(session, 1, 1), all);
    const works = intake.take(1);
    for (const work of works) work.settleAll([{ error: 'conflict', reason: 'no' }]);
    intake.decided(works);
  }
  const known = Array.from(
    { length: 3_000 },
    (_, session) => intake.accept(payload(session, 1, 1), all).decided.length,
  );
  expect(known.filter(Boolean)).toHaveLength(1_000);
});

it('refuses beyond its bound and has room again afterwards', () => {
  const intake = new Intake(LANES);
  for (let session = 1; session <= 40; session++) intake.accept(payload(session, 1, 500), all);
  expect(intake.accept(payload(99, 1, 1), all).overflow).toHaveLength(1);
  intake.take(1000);
  expect(intake.accept(payload(99, 1, 1), all)).toEqual(nothing);
});

it('knows which lanes it holds work for', () => {
  const intake = new Intake(LANES);
  intake.accept(payload(1, 1, 1, 4), all);
  expect(intake.waitsFor(new Set([4, 5]))).toBe(true);
  expect(intake.waitsFor(new Set([5]))).toBe(false);
});

it('passes over what is for a lane that is not served here', () => {
  const intake = new Intake(LANES);
  expect(intake.accept(payload(1, 1, 1, 4), (lane) => lane !== 4)).toEqual(nothing);
  expect(intake.size).toBe(0);
});

it('takes nothing whose conversation belongs to another lane than it names', () => {
  const intake = new Intake(LANES);
  const { misplaced, overflow } = intake.accept(payload(1, 1, 2, 4, 5), all);
  expect(misplaced.map((work) => work.lane)).toEqual([4]);
  expect(overflow).toEqual([]);
  expect(intake.size).toBe(0);
  expect(intake.accept(payload(1, 1, 2, 4, 5), (lane) => lane !== 4)).toEqual(nothing);
});
