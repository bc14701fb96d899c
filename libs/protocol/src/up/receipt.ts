import Type, { type Static } from 'typebox';
import { Count, MessageId } from '../schema.js';

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
