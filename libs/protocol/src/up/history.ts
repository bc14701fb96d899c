import Type, { type Static } from 'typebox';
import { ClientId, Count, Id } from '../schema.js';

/**
 * A page of a conversation by `seq`: the newest below `beforeSeq` (default: the newest of all), or the oldest above
 * `afterSeq`; always listed in ascending order. Answered by `historyReceipt`. History is not delivery: it owes no receipt.
 */
export const History = Type.Object({
  messageType: Type.Literal('history'),
  requestID: ClientId,
  chatType: Type.Union([Type.Literal('userChat'), Type.Literal('groupChat')]),
  toUserID: Type.Optional(Id),
  groupID: Type.Optional(Id),
  beforeSeq: Type.Optional(Count),
  afterSeq: Type.Optional(Count),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
});
export type History = Static<typeof History>;
