import Type, { type Static } from 'typebox';
import { Count, MessageId } from '../schema.js';
import { command } from './command.js';

/**
 * Confirms that a device has stored entries: those of `messageID` and `messageIDs`, and every entry up to the
 * `inboxSeq` in `upTo`. Receipts may come in any order and be repeated; entries not delivered in this session are
 * ignored. Answered by `receiptConfirm` once stored.
 */
export const Receipt = Type.Object({
  messageType: Type.Literal('receipt'),
  messageID: Type.Optional(MessageId),
  messageIDs: Type.Optional(Type.Array(MessageId, { maxItems: 1000 })),
  upTo: Type.Optional(Count),
});
export type Receipt = Static<typeof Receipt>;

export const receipt = command({
  type: 'receipt',
  schema: Receipt,
  class: 'session',
  rate: 'quiet',
  answers: ['receiptConfirm'],
  authority: 'The device to which the entry was delivered in this session; other receipts have no effect.',
  summary: 'Confirms which delivered entries the device has stored.',
  usage: 'Answered once the cursor is stored; one `receiptConfirm` may answer many receipts.',
});
