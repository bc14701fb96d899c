import { decodeLines, isStored, messageIdOf, type ReceiptBatch } from '@huizhi/protocol';
import { refusal } from '../frames.js';
import { receipts } from '../metrics.js';
import type { Session } from '../sessions/session.js';
import type { Sessions } from '../sessions/sessions.js';
import type { SendPublisher } from './send-publisher.js';
import type { Settled } from './session-sends.js';

/** Processes the message service's answers to batches of this gateway. */
export function onReceipts(payload: Uint8Array, sessions: Sessions, sendPublisher: SendPublisher, now: number): void {
  for (const { session: number, lane, batch, receipts: answers } of decodeLines<ReceiptBatch>(payload).head.answers) {
    const session = sessions.get(number);
    const settled = session?.sends.answer(lane, batch, answers, now);
    if (!session || !settled || settled.length === 0) continue;
    settle(session, settled);
    sendPublisher.answered(session, lane);
  }
}

/** Writes the receipts to the sender. */
export function settle(session: Session, settled: readonly Settled[]): void {
  for (const one of settled) session.connection.write(receiptText(one));
  if (session.whenSettled && session.sends.count === 0) session.whenSettled();
}

function receiptText({ pending, receipt }: Settled): string {
  const { lane, send, echo } = pending;
  if (!isStored(receipt)) {
    receipts.add(receipt.error);
    return refusal(receipt.error, receipt.reason, echo);
  }
  receipts.add('stored');
  const group = send.members ? `,"groupID":"${send.group}"` : '';
  return (
    `{"messageType":"normalReceipt","messageID":"${messageIdOf(lane, receipt.position)}",` +
    `"conversationID":"${send.conversation}","seq":${receipt.seq},"serverTime":"${receipt.serverTime}"${group}${echo}}`
  );
}
