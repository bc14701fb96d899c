import { same, type Step } from '../demo-context.js';

/** Each device has its own receipts. The sender's other device gets a copy; the sending device does not. */
export const twoDevices: Step = {
  name: 'two-devices',
  async run(demo) {
    const alice = await demo.device(demo.user('alice'), 'phone');
    const laptop = await demo.device(alice.user, 'laptop');
    const bob = await demo.device(demo.user('bob'), 'phone');
    const tablet = await demo.device(bob.user, 'tablet');

    const sent = await alice.client.sendText({ user: bob.user }, 'to both of you').receipt;
    const everywhere = [laptop, bob, tablet];
    await demo.until('the message on the three other devices', () =>
      everywhere.every((each) => each.messages.length > 0),
    );
    for (const device of everywhere) same('the message received', device.messages[0]?.messageID, sent.messageID);
    same('the sender named in the copy', laptop.messages[0]?.fromUserID, alice.user);
    await demo.until('a confirmation for each device', () => everywhere.every((each) => each.confirmed >= each.head));

    await bob.client.sendText({ user: alice.user }, 'got it').receipt;
    await demo.until('the answer', () => [alice, laptop, tablet].every((each) => each.texts().includes('got it')));
    same('the sending device has no copy of its own message', alice.texts(), ['got it']);
    await demo.until(
      'the confirmation of its receipt',
      () => alice.confirmed >= alice.head && laptop.confirmed >= laptop.head,
    );

    const late = await demo.device(alice.user, 'watch');
    same("a later device starts at the highest of the user's cursors", late.login?.inboxSeq, laptop.confirmed);
    same('the number of messages that wait for it', late.login?.waiting, 0);
    await bob.client.sendText({ user: alice.user }, 'welcome').receipt;
    await demo.until('the next message on it', () => late.messages.length > 0);
    same('the texts that it received', late.texts(), ['welcome']);
  },
};
