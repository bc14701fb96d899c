import { same, type Step } from '../demo-context.js';

/** Messages to an offline device wait, arrive as one array in one frame, and are not delivered again once receipted. */
export const offlineBatch: Step = {
  name: 'offline-batch',
  async run(demo) {
    const alice = await demo.device(demo.user('alice'), 'phone');
    const bob = await demo.device(demo.user('bob'), 'phone');
    // Bob's other device stays online: once it has a message, the message is in bob's inbox.
    const tablet = await demo.device(bob.user, 'tablet');
    await bob.client.close();
    const to = { user: bob.user };
    const texts = ['first', 'second', 'third'];
    await Promise.all(texts.map((text) => alice.client.sendText(to, text).receipt));
    await demo.until('the three messages in the inbox', () => tablet.messages.length === 3);

    const back = await demo.device(bob.user, 'phone');
    same('the number of waiting messages', back.login?.waiting, 3);
    await demo.until('the offline batch', () => back.batches.length > 0);
    same(
      'the batch',
      back.batches[0]?.entries.map(({ content }) => content.text),
      texts,
    );
    await demo.until('the confirmation', () => back.confirmed >= back.head && back.messages.length === 3);
    same('the received texts', back.texts(), texts);
    await back.client.close();

    // A new client has an empty store, so it would show a redelivery.
    const again = await demo.device(bob.user, 'phone');
    same('the number of waiting messages now', again.login?.waiting, 0);
    await alice.client.sendText(to, 'fourth').receipt;
    await demo.until('the next message', () => again.messages.length > 0);
    same('the texts received after the receipt', again.texts(), ['fourth']);
  },
};
