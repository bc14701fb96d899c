import Type, { type Static } from 'typebox';
import { subjects } from '../bus/subjects.js';
import { ClientId, Count, Id } from '../schema.js';
import { command } from './command.js';
import { targetOf } from './target.js';

/**
 * A page of a conversation by `seq`: the newest messages below `beforeSeq` (default: of all), or the oldest above
 * `afterSeq`; in ascending order. Answered by `historyReceipt`. Messages of a history page need no receipt.
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
  authority: 'The two users of a pair; the members of a group, for the time of their membership.',
  summary: 'A page of a conversation by `seq`.',
  usage: 'Reads a page; at most four requests at a time.',
  check: (frame) => void targetOf(frame),
});
