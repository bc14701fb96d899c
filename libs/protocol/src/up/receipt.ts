import Type, { type Static } from 'typebox';
import { Count, MessageId } from '../schema.js';
import { command } from './command.js';

/**
 * What a device owes for everything delivered to it. `messageID`, `messageIDs`: those entries; `upTo`: every entry up to
 * that `inboxSeq`. Any order, any number of times; what was not delivered in this session is passed over.
 * Confirmed by `receiptConfirm` once stored.
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
  authority: 'The device to which the entry was delivered in this session; anything else changes nothing.',
  summary: 'What the device has stored of what was delivered to it.',
  usage: 'Confirmed once it is stored; one confirm may answer many receipts.',
});
