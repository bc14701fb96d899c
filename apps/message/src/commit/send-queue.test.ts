import { expect, it } from '@jest/globals';
import { encodeLines, laneOf, type Send, type SendBatch, type SendReceipt } from '@huizhi/protocol';
import { SendQueue } from './send-queue.js';

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

it('SendQueue takes whole batches, oldest first, and gives each send its own body', () => {
  const sendQueue = new SendQueue(LANES);
  sendQueue.accept(payload(1, 1, 2), all);
  sendQueue.accept(payload(2, 1, 3), all);
  sendQueue.accept(payload(3, 1, 1), all);
  const [first, second] = sendQueue.take(5);
  expect(first?.sends.map((queued) => queued.body)).toEqual(['{"id":"1-1-0"}', '{"id":"1-1-1"}']);
  expect(second?.sends).toHaveLength(3);
  expect(sendQueue.size).toBe(1);
});

it('SendQueue takes a batch that is larger than the limit', () => {
  const sendQueue = new SendQueue(LANES);
  sendQueue.accept(payload(1, 1, 9), all);
  expect(sendQueue.take(5)).toHaveLength(1);
});

it('SendQueue skips a batch that is queued or in flight, and accepts it again afterwards', () => {
  const sendQueue = new SendQueue(LANES);
  sendQueue.accept(payload(1, 1, 2), all);
  sendQueue.accept(payload(1, 1, 2), all);
  const tasks = sendQueue.take(100);
  expect(tasks).toHaveLength(1);
  sendQueue.accept(payload(1, 1, 2), all);
  expect(sendQueue.size).toBe(0);
  sendQueue.decided(tasks);
  sendQueue.accept(payload(1, 1, 2), all);
  expect(sendQueue.size).toBe(2);
});

it('SendQueue repeats an answer with a final refusal; any other repeated batch is decided again', () => {
  const sendQueue = new SendQueue(LANES);
  const stored = { position: 1, seq: 1, serverTime: 1 };
  const notAllowed = { error: 'notAllowed', reason: 'no' } as const;
  const unavailable = { error: 'unavailable', reason: 'later' } as const;
  const verdicts: SendReceipt[][] = [
    [stored, notAllowed],
    [stored, stored],
    [stored, unavailable],
  ];
  verdicts.forEach((_, session) => sendQueue.accept(payload(session, 1, 2), all));
  const tasks = sendQueue.take(100);
  tasks.forEach((task, at) => task.settleAll(verdicts[at] ?? []));
  sendQueue.decided(tasks);
  const again = verdicts.map((_, session) => sendQueue.accept(payload(session, 1, 2), all).decided);
  expect(again.map((decided) => decided.map((task) => task.answer()?.receipts))).toEqual([[verdicts[0]], [], []]);
  expect(sendQueue.size).toBe(4);
  expect(sendQueue.accept(payload(0, 2, 2), all)).toEqual(nothing);
});

it('SendQueue remembers a bounded number of answers with a final refusal', () => {
  const sendQueue = new SendQueue(LANES);
  for (let session = 0; session < 3_000; session++) {
    sendQueue.accept(payload(session, 1, 1), all);
    const tasks = sendQueue.take(1);
    for (const task of tasks) task.settleAll([{ error: 'conflict', reason: 'no' }]);
    sendQueue.decided(tasks);
  }
  const known = Array.from(
    { length: 3_000 },
    (_, session) => sendQueue.accept(payload(session, 1, 1), all).decided.length,
  );
  expect(known.filter(Boolean)).toHaveLength(1_000);
});

it('SendQueue refuses batches above its bound and accepts batches again when there is room', () => {
  const sendQueue = new SendQueue(LANES);
  for (let session = 1; session <= 40; session++) sendQueue.accept(payload(session, 1, 500), all);
  expect(sendQueue.accept(payload(99, 1, 1), all).overflow).toHaveLength(1);
  sendQueue.take(1000);
  expect(sendQueue.accept(payload(99, 1, 1), all)).toEqual(nothing);
});

it('SendQueue reports for which lanes it holds sends', () => {
  const sendQueue = new SendQueue(LANES);
  sendQueue.accept(payload(1, 1, 1, 4), all);
  expect(sendQueue.waitsFor(new Set([4, 5]))).toBe(true);
  expect(sendQueue.waitsFor(new Set([5]))).toBe(false);
});

it('SendQueue skips a batch of a lane that is not served here', () => {
  const sendQueue = new SendQueue(LANES);
  expect(sendQueue.accept(payload(1, 1, 1, 4), (lane) => lane !== 4)).toEqual(nothing);
  expect(sendQueue.size).toBe(0);
});

it('SendQueue refuses a batch whose conversations belong to another lane', () => {
  const sendQueue = new SendQueue(LANES);
  const { misplaced, overflow } = sendQueue.accept(payload(1, 1, 2, 4, 5), all);
  expect(misplaced.map((task) => task.lane)).toEqual([4]);
  expect(overflow).toEqual([]);
  expect(sendQueue.size).toBe(0);
  expect(sendQueue.accept(payload(1, 1, 2, 4, 5), (lane) => lane !== 4)).toEqual(nothing);
});
