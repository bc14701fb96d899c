import type { Sending } from '@huizhi/client';
import { same, type Step } from '../demo-context.js';

const EACH = 100;

/**
 * A hundred pipelined messages in each direction: seq 1 … 200 without gaps, in the same order on both sides and in the
 * history.
 */
export const order: Step = {
  name: 'order',
  async run(demo) {
    const alice = await demo.device(demo.user('alice'), 'phone');
    const bob = await demo.device(demo.user('bob'), 'phone');
    const sendings: { from: string; sending: Sending }[] = [];
    for (let n = 1; n <= EACH; n++) {
      sendings.push({ from: alice.user, sending: alice.client.sendText({ user: bob.user }, `alice ${n}`) });
      sendings.push({ from: bob.user, sending: bob.client.sendText({ user: alice.user }, `bob ${n}`) });
    }
    const sent = await Promise.all(sendings.map(async ({ from, sending }) => ({ from, ...(await sending.receipt) })));
    await demo.until('all messages on both sides', () => alice.messages.length >= EACH && bob.messages.length >= EACH);
    const expected = Array.from({ length: 2 * EACH }, (_, i) => i + 1);
    same(
      'the assigned seqs',
      sent.map(({ seq }) => seq).sort((a, b) => a - b),
      expected,
    );
    for (const [me, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const mine = sent.filter(({ from }) => from === me.user);
      same(
        `the order in which ${me.user} sent`,
        mine.map(({ seq }) => seq),
        mine.map(({ seq }) => seq).sort((a, b) => a - b),
      );
      const theirs = sent.filter(({ from }) => from === other.user);
      same(
        `the messages that ${me.user} received`,
        me.messages.map(({ messageID, seq }) => [seq, messageID]),
        theirs.map(({ messageID, seq }) => [seq, messageID]),
      );
      const { messages } = await me.client.history({ user: other.user }, { limit: 200 });
      const inOrder = [...sent].sort((a, b) => a.seq - b.seq);
      same(
        `the history that ${me.user} reads`,
        messages.map(({ messageID }) => messageID),
        inOrder.map(({ messageID }) => messageID),
      );
    }
  },
};
