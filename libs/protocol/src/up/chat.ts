import Type, { type Static } from 'typebox';
import { ClientId, Content, Id, Kind, SendTime } from '../schema.js';

/**
 * A message to a user (`userChat`, `toUserID`) or a group (`groupChat`, `groupID`). Answered by `normalReceipt`,
 * `invalidReceipt`, or an `error` that is temporary. Without `clientMsgID` the key is (device, target, `sendTime`, content).
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

/** Content kinds that only the server makes, or that have a meaning of their own and are not built yet. */
export const RESERVED_KINDS: ReadonlySet<string> = new Set(['tip', 'repeal']);
