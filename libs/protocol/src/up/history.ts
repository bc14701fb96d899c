import Type, { type Static } from 'typebox';
import { subjects } from '../bus/subjects.js';
import { ClientId, Count, Id } from '../schema.js';
import { command } from './command.js';
import { targetOf } from './target.js';

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

export const history = command({
  type: 'history',
  schema: History,
  class: 'query',
  asks: { service: 'message', subject: subjects.history },
  rate: 'frames',
  answers: ['historyReceipt', 'error'],
  authority: 'The two users of a pair; the members of a group, as far as they were members.',
  summary: 'A page of a conversation by `seq`.',
  usage: 'Reads a page; at most four at a time.',
  check: (frame) => void targetOf(frame),
});
