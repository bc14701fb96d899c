import { claim, same, type Step } from '../demo-context.js';

/** Two users write to each other; both see the same conversation. */
export const textBothWays: Step = {
  name: 'text-both-ways',
  async run(demo) {
    const alice = await demo.device(demo.user('alice'), 'phone');
    const bob = await demo.device(demo.user('bob'), 'phone');
    const hello = await alice.client.sendText({ user: bob.user }, '你好, Bob 👋').receipt;
    await demo.until('the message at bob', () => bob.messages.length > 0);
    const answer = await bob.client.sendText({ user: alice.user }, '你好, Alice').receipt;
    await demo.until('the answer at alice', () => alice.messages.length > 0);
    const [got, back] = [bob.messages[0], alice.messages[0]];
    claim('both messages arrived', got !== undefined && back !== undefined);
    same(
      'the message that bob received',
      [got.fromUserID, got.content, got.seq],
      [alice.user, { text: '你好, Bob 👋' }, 1],
    );
    same(
      'the message that alice received',
      [back.fromUserID, back.content, back.seq],
      [bob.user, { text: '你好, Alice' }, 2],
    );
    same('the ids', [got.messageID, back.messageID], [hello.messageID, answer.messageID]);
    same('the conversation', [got.conversationID, back.conversationID], [hello.conversationID, hello.conversationID]);
  },
};
