import Type, { type Static } from 'typebox';
import { ProtocolError } from '../errors.js';
import { ClientId, Content, Id, Kind, SendTime } from '../schema.js';
import { command } from './command.js';
import { targetOf } from './target.js';

/**
 * A message to a user (`userChat`, `toUserID`) or a group (`groupChat`, `groupID`). Answered by `normalReceipt`,
 * `invalidReceipt` or a temporary `error`. Without `clientMsgID` the key is (device, target, `sendTime`, content).
 */
export const Chat = Type.Object({
  messageType: Type.Literal('normal'),
  chatType: Type.Union([Type.Literal('userChat'), Type.Literal('groupChat')]),
  contenType: Kind,
  toUserID: Type.Optional(Id),
  groupID: Type.Optional(Id),
  clientMsgID: Type.Optional(ClientId),
  sendTime: Type.Optional(SendTime),
  atToUserIDs: Type.Optional(Type.Array(Id, { maxItems: 500 })),
  content: Content,
});
export type Chat = Static<typeof Chat>;

/** Content kinds that only the server creates, or that are reserved for features that do not exist yet. */
const RESERVED_KINDS: ReadonlySet<string> = new Set(['tip', 'repeal']);

export const chat = command({
  type: 'normal',
  schema: Chat,
  class: 'send',
  rate: 'frames',
  answers: ['normalReceipt', 'invalidReceipt', 'error'],
  authority: 'To any user that exists; to a group, its members.',
  summary: 'A message to a user or a group.',
  usage: 'Each send is answered once; the order of the answers is not defined.',
  operation: 'send',
  check: (frame) => {
    targetOf(frame);
    const { contenType, content } = frame;
    if (RESERVED_KINDS.has(contenType)) {
      throw new ProtocolError('unsupported', `contenType: "${contenType}" cannot be sent`);
    }
    if (contenType === 'text' && (typeof content.text !== 'string' || content.text === '')) {
      throw new ProtocolError('badField', 'content.text: must be a string that is not empty');
    }
  },
});
