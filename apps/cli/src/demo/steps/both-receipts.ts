import { claim, same, type Step } from '../demo-context.js';

/** The sender gets a receipt for the message; the recipient's receipt is stored and confirmed. */
export const bothReceipts: Step = {
  name: 'both-receipts',
  async run(demo) {
    const alice = await demo.device(demo.user('alice'), 'phone');
    const bob = await demo.device(demo.user('bob'), 'phone');
    const sendTime = String(Date.now());
    const sending = alice.client.sendText({ user: bob.user }, 'receipt, please', { sendTime });
    const receipt = await sending.receipt;
    same('the echo in the receipt', [receipt.clientMsgID, receipt.sendTime], [sending.clientMsgID, sendTime]);
    claim('the receipt has an id and a time', /^[1-9]\d*$/.test(receipt.messageID) && Number(receipt.serverTime) > 0);
    await demo.until('the message at bob', () => bob.messages.length > 0);
    await demo.until("the confirmation of bob's receipt", () => bob.confirmed > 0);
    same('the confirmed inboxSeq', bob.confirmed, bob.messages[0]?.inboxSeq);
  },
};
