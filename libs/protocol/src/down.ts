import Type, { type Static } from 'typebox';
import { Content, Count } from './schema.js';

/** Ids and times go out as strings; `seq`, `inboxSeq` and codes are numbers below 2^53. */
const Text = Type.String();

export const Limits = Type.Object({
  frameBytes: Type.Integer(),
  framesPerSecond: Type.Integer(),
  unansweredSends: Type.Integer(),
  window: Type.Integer(),
  batchEntries: Type.Integer(),
});

/** Answer to `login`. `code` 0: the session is open. Otherwise the connection is closed next. */
export const LoginReceipt = Type.Object({
  messageType: Type.Literal('loginReceipt'),
  code: Type.Integer(),
  name: Type.Optional(Text),
  reason: Type.Optional(Text),
  fromUserID: Type.Optional(Text),
  deviceID: Type.Optional(Text),
  /** Seconds between heartbeats; after three the server closes. */
  heartbeat: Type.Optional(Type.Number()),
  limits: Type.Optional(Limits),
  /** The device's cursor as stored: everything up to this `inboxSeq` is receipted. */
  inboxSeq: Type.Optional(Count),
  /** The inbox's head: how far there is something to deliver. */
  head: Type.Optional(Count),
  /** How many entries wait for this device. */
  waiting: Type.Optional(Count),
  /** Changes when the data was restored from a backup: forget what you hold and start over. */
  generation: Type.Optional(Text),
  /** The device was away for longer than entries are kept: read lists and history for what is missing. */
  resync: Type.Optional(Type.Boolean()),
  serverTime: Type.Optional(Text),
  upgradeRequired: Type.Optional(Type.Boolean()),
  upgradeURL: Type.Optional(Text),
});
export type LoginReceipt = Static<typeof LoginReceipt>;

/** The message is durable. Every resend gets the same ids, `seq` and `serverTime`; `sendTime` is the answered frame's. */
export const NormalReceipt = Type.Object({
  messageType: Type.Literal('normalReceipt'),
  messageID: Text,
  conversationID: Text,
  seq: Count,
  serverTime: Text,
  groupID: Type.Optional(Text),
  clientMsgID: Type.Optional(Text),
  sendTime: Type.Optional(Text),
});
export type NormalReceipt = Static<typeof NormalReceipt>;

/** The message is not stored and will not be. */
export const InvalidReceipt = Type.Object({
  messageType: Type.Literal('invalidReceipt'),
  code: Type.Integer(),
  name: Text,
  reason: Text,
  clientMsgID: Type.Optional(Text),
  sendTime: Type.Optional(Text),
});
export type InvalidReceipt = Static<typeof InvalidReceipt>;

/** Something went wrong. With a `clientMsgID` or `sendTime` it is about that message: temporary, send it again. */
export const ErrorFrame = Type.Object({
  messageType: Type.Literal('error'),
  code: Type.Integer(),
  name: Text,
  temporary: Type.Boolean(),
  reason: Text,
  clientMsgID: Type.Optional(Text),
  sendTime: Type.Optional(Text),
  requestID: Type.Optional(Text),
});
export type ErrorFrame = Static<typeof ErrorFrame>;

/** The last frame before the server closes. */
export const CloseFrame = Type.Object({
  messageType: Type.Literal('close'),
  code: Type.Integer(),
  name: Text,
  reconnect: Type.Boolean(),
  reason: Text,
  /** Milliseconds to wait before reconnecting, in place of the first back-off. Absent: the client's own. */
  retryAfter: Type.Optional(Count),
});
export type CloseFrame = Static<typeof CloseFrame>;

/** Everything up to this `inboxSeq` is stored as receipted and will never be delivered to this device again. */
export const ReceiptConfirm = Type.Object({ messageType: Type.Literal('receiptConfirm'), inboxSeq: Count });
export type ReceiptConfirm = Static<typeof ReceiptConfirm>;

/** Answer to a heartbeat; `inboxSeq` is the head of the user's inbox. */
export const BeatReply = Type.Object({ beatID: Text, inboxSeq: Count, serverTime: Text });
export type BeatReply = Static<typeof BeatReply>;

/**
 * A message as its recipients (and the sender's other devices) get it. Delivered live it is one frame; while catching up
 * a JSON array of them is one frame (one by one for version 1). Owes a `receipt`. In history it has no `inboxSeq`.
 */
export const Delivery = Type.Object({
  messageType: Type.Literal('normal'),
  messageID: Text,
  conversationID: Text,
  seq: Count,
  serverTime: Text,
  inboxSeq: Type.Optional(Count),
  /** The `inboxSeq` before this one that concerns this device, when it is not `inboxSeq − 1`. */
  prevInboxSeq: Type.Optional(Count),
  fromUserID: Text,
  chatType: Type.Union([Type.Literal('userChat'), Type.Literal('groupChat')]),
  contenType: Text,
  toUserID: Type.Optional(Text),
  groupID: Type.Optional(Text),
  groupName: Type.Optional(Text),
  clientMsgID: Type.Optional(Text),
  sendTime: Type.Optional(Text),
  deviceType: Type.Optional(Text),
  atToUserIDs: Type.Optional(Type.Array(Text)),
  content: Content,
});
export type Delivery = Static<typeof Delivery>;

/** Answer to `history`. */
export const HistoryReceipt = Type.Object({
  messageType: Type.Literal('historyReceipt'),
  requestID: Text,
  conversationID: Text,
  messages: Type.Array(Delivery),
  /** Whether there are more in the direction asked for. */
  hasMore: Type.Boolean(),
});
export type HistoryReceipt = Static<typeof HistoryReceipt>;

/** Everything the server may send; besides these a frame may be an array of `Delivery` (an offline batch). */
export const downSchemas = {
  loginReceipt: LoginReceipt,
  normalReceipt: NormalReceipt,
  invalidReceipt: InvalidReceipt,
  error: ErrorFrame,
  close: CloseFrame,
  receiptConfirm: ReceiptConfirm,
  normal: Delivery,
  historyReceipt: HistoryReceipt,
  beat: BeatReply,
};

export type DownName = keyof typeof downSchemas;

export type Down =
  | LoginReceipt
  | NormalReceipt
  | InvalidReceipt
  | ErrorFrame
  | CloseFrame
  | ReceiptConfirm
  | Delivery
  | HistoryReceipt
  | BeatReply
  | Delivery[];
