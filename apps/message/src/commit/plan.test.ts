import { describe, expect, it } from '@jest/globals';
import type { Send, SendReceipt } from '@huizhi/protocol';
import fc from 'fast-check';
import type { ConversationState } from './lane-memory.js';
import { planCommit, type PlanContext, type CommitPlan } from './plan.js';
import { SendBatchTask, type QueuedSend } from './send-batch-task.js';

const EXISTING = new Set(['alice', 'bob', 'carol']);

function queued(
  user: string,
  conversation: string,
  clientID: string,
  more: Partial<QueuedSend['send']> = {},
): QueuedSend {
  const send: Send = { kind: 'message', conversation, clientID, hash: `hash of ${clientID}`, to: 'bob', ...more };
  return new SendBatchTask('g', { session: 1, lane: 3, batch: 1, user, device: 'd', sends: [send] }, ['{"a":1}'])
    .sends[0]!;
}

const known = (more: Partial<PlanContext> = {}): PlanContext => ({
  lane: (lane) => ({ lane, epoch: 7, head: 100 }),
  conversation: (): ConversationState => ({ seq: 10, serverTime: 5000 }),
  stored: () => undefined,
  userExists: (user) => EXISTING.has(user),
  now: 4000,
  ...more,
});

const receipts = (plan: CommitPlan): SendReceipt[] => plan.settled.map(({ receipt }) => receipt);

describe('a plan', () => {
  it('assigns the next seq and position, and a server time that never decreases', () => {
    const plan = planCommit([queued('alice', 'c', '1'), queued('alice', 'c', '2')], known());
    expect(receipts(plan)).toEqual([
      { position: 101, seq: 11, serverTime: 5000 },
      { position: 102, seq: 12, serverTime: 5000 },
    ]);
    expect(plan.moves).toEqual([{ lane: 3, epoch: 7, from: 100, to: 102 }]);
  });

  it('answers a duplicate like the first send, before any other check', () => {
    const stored = { position: 5, seq: 2, serverTime: 1, hash: 'hash of 1' };
    const plan = planCommit([queued('alice', 'c', '1', { to: 'nobody' })], known({ stored: () => stored }));
    expect(receipts(plan)).toEqual([{ position: 5, seq: 2, serverTime: 1 }]);
    expect(plan.moves).toEqual([]);
  });

  it('answers a duplicate within the same transaction', () => {
    const plan = planCommit(
      [queued('alice', 'c', '1'), queued('alice', 'c', '1'), queued('alice', 'c', '1', { hash: 'x' })],
      known(),
    );
    expect(plan.rows).toHaveLength(1);
    expect(receipts(plan)).toMatchObject([{ seq: 11 }, { seq: 11 }, { error: 'conflict' }]);
  });

  it('contains a fencing move even when it only refuses', () => {
    const plan = planCommit([queued('alice', 'c', '1', { to: 'nobody' })], known());
    expect(receipts(plan)).toMatchObject([{ error: 'notAllowed' }]);
    expect(plan.refused).toHaveLength(1);
    expect(plan.moves).toEqual([{ lane: 3, epoch: 7, from: 100, to: 100 }]);
  });

  it('does not look up a refused send when it stores its client id itself', () => {
    const refused = queued('alice', 'c', '1', { to: 'nobody' });
    const other = queued('alice', 'c', '2', { to: 'nobody' });
    const plan = planCommit([refused, other, queued('alice', 'c', '1')], known());
    expect(receipts(plan)).toMatchObject([{ error: 'notAllowed' }, { error: 'notAllowed' }, { position: 101 }]);
    expect(plan.refused).toEqual([other]);
  });

  it("accepts messages of a group's members from its first event on", () => {
    const make = queued('alice', 'g', 'make', {
      kind: 'groupCreated',
      group: 'G',
      members: ['bob', 'bob'],
      to: undefined,
    });
    const say = queued('bob', 'g', 'say', { group: 'G', to: undefined });
    const stranger = queued('carol', 'g', 'hi', { group: 'G', to: undefined });
    const state = (): ConversationState => ({ seq: 0, serverTime: 0, members: new Set() });
    const plan = planCommit([make, say, stranger], known({ conversation: state }));
    expect(receipts(plan)).toMatchObject([{ seq: 1 }, { seq: 2 }, { error: 'notAllowed' }]);
    expect(plan.effects).toMatchObject([{ change: { joined: ['alice', 'bob'] }, row: { position: 101, kind: 2 } }]);
  });

  it('refuses an unknown kind as temporary, and the later sends of its conversation', () => {
    const newer = queued('alice', 'c', '1', { kind: 'poll' as Send['kind'] });
    const plan = planCommit([newer, queued('alice', 'c', '2'), queued('alice', 'other', '3')], known());
    expect(receipts(plan)).toMatchObject([{ error: 'unavailable' }, { error: 'unavailable' }, { position: 101 }]);
  });

  it('has no holes and keeps one order per conversation for any sends', () => {
    const sends = fc.array(
      fc.record({
        user: fc.constantFrom('alice', 'carol'),
        conversation: fc.constantFrom('c1', 'c2', 'c3'),
        clientID: fc.constantFrom('1', '2', '3', '4', '5'),
        to: fc.constantFrom('bob', 'nobody'),
        hash: fc.constantFrom('h1', 'h2'),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(sends, (all) => {
        const sends = all.map(({ user, conversation, clientID, to, hash }) =>
          queued(user, conversation, clientID, { to, hash }),
        );
        const plan = planCommit(sends, known({ conversation: () => ({ seq: 0, serverTime: 0 }) }));
        expect(plan.settled).toHaveLength(sends.length);
        expect(plan.rows.map((row) => row.position)).toEqual(plan.rows.map((_, n) => 101 + n));
        for (const conversation of ['c1', 'c2', 'c3']) {
          const seqs = plan.rows.filter((row) => row.conversation === conversation).map((row) => row.seq);
          expect(seqs).toEqual(seqs.map((_, n) => n + 1));
        }
        const keys = plan.rows.map((row) => `${row.conversation} ${row.user} ${row.clientID}`);
        expect(new Set(keys).size).toBe(keys.length);
        expect(plan.rows.every((row) => row.peer === 'bob')).toBe(true);
      }),
    );
  });
});
