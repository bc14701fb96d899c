import { SendRefusedError } from '@huizhi/client';
import { claim, same, type Step } from '../demo-context.js';

/**
 * A resend with the same clientMsgID is the same message: one id, one seq, one delivery. With other content it is a
 * conflict.
 */
export const resendIsIdempotent: Step = {
  name: 'resend-is-idempotent',
  async run(demo) {
    const alice = await demo.device(demo.user('alice'), 'phone');
    const bob = await demo.device(demo.user('bob'), 'phone');
    const to = { user: bob.user };
    const clientMsgID = 'the-same-id';
    const first = await alice.client.sendText(to, 'once', { clientMsgID, sendTime: '1' }).receipt;
    const second = await alice.client.sendText(to, 'once', { clientMsgID, sendTime: '1' }).receipt;
    same('the second receipt', second, first);
    const other = await alice.client.sendText(to, 'something else', { clientMsgID }).receipt.then(
      () => 'taken',
      (error: unknown) => error,
    );
    claim('the same id with other content is refused', other instanceof SendRefusedError);
    same('the reason', other.error, 'conflict');
    await alice.client.sendText(to, 'afterwards').receipt;
    // Entries arrive in order, so a second delivery would arrive before this one.
    await demo.until('the next message at bob', () => bob.texts().includes('afterwards'));
    same('the texts that bob received', bob.texts(), ['once', 'afterwards']);
    same('the number of received copies', bob.copies.filter((id) => id === first.messageID).length, 1);
    const { messages } = await alice.client.history(to);
    same(
      'the history',
      messages.map(({ messageID, seq }) => [messageID, seq]),
      bob.messages.map((one) => [one.messageID, one.seq]),
    );
  },
};
