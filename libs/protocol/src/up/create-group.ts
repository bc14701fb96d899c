import Type, { type Static } from 'typebox';
import { ClientId, Id, SendTime } from '../schema.js';
import { command } from './command.js';

/**
 * Creates a group of the sender and `memberUserIDs`; every member gets a tip with `seq` 1. Answered like a message,
 * with `groupID`. The group id is derived from (sender, `clientMsgID`), so a resend names the same group.
 */
export const CreateGroup = Type.Object({
  messageType: Type.Literal('createGroup'),
  clientMsgID: ClientId,
  sendTime: Type.Optional(SendTime),
  groupName: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  memberUserIDs: Type.Array(Id, { minItems: 1, maxItems: 500 }),
});
export type CreateGroup = Static<typeof CreateGroup>;

export const createGroup = command({
  type: 'createGroup',
  schema: CreateGroup,
  class: 'send',
  rate: 'frames',
  answers: ['normalReceipt', 'invalidReceipt', 'error'],
  authority: 'Any user, with users that exist.',
  summary: 'Creates a group. Its first message is a tip to every member.',
  usage: 'Answered like a message, with the `groupID`.',
});
