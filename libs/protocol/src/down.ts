import Type, { type Static } from 'typebox';
import { Content, Count } from './schema.js';

/** Ids and times are sent as strings; `seq`, `inboxSeq` and codes are numbers below 2^53. */
const Text = Type.String();

export const Limits = Type.Object({
  frameBytes: Type.Integer(),
  framesPerSecond: Type.Integer(),
  unansweredSends: Type.Integer(),
  window: Type.Integer(),
  batchEntries: Type.Integer(),
});

/** Answer to `login`. With `code` 0 the session is open; otherwise the server closes the connection next. */
export const LoginReceipt = Type.Object({
  messageType: Type.Literal('loginReceipt'),
  code: Type.Integer(),
  name: Type.Optional(Text),
  reason: Type.Optional(Text),
  fromUserID: Type.Optional(Text),
  deviceID: Type.Optional(Text),
  /** Seconds between heartbeats; the server closes after three intervals without data. */
  heartbeat: Type.Optional(Type.Number()),
  limits: Type.Optional(Limits),
  /** The stored cursor of the device: every entry up to this `inboxSeq` is receipted. */
  inboxSeq: Type.Optional(Count),
  /** `inboxSeq` of the newest entry that the device has to get; equal to `inboxSeq` if there is none. */
  head: Type.Optional(Count),
  /** Number of entries that wait for this device. */
  waiting: Type.Optional(Count),
  /** Changes when the data was restored from a backup: the client must drop its cursors and deduplication data. */
  generation: Type.Optional(Text),
  /**
   * The device was offline for longer than entries are kept: the client must read the missing messages from history.
   */
  resync: Type.Optional(Type.Boolean()),
  serverTime: Type.Optional(Text),
  upgradeRequired: Type.Optional(Type.Boolean()),
  upgradeURL: Type.Optional(Text),
});
export type LoginReceipt = Static<typeof LoginReceipt>;

/**
 * The message is durable. Every resend gets the same ids, `seq` and `serverTime`; `sendTime` is that of the answered
 * frame.
 */
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

/** Final refusal: the message is not and will not be stored. */
export const InvalidReceipt = Type.Object({
  messageType: Type.Literal('invalidReceipt'),
  code: Type.Integer(),
  name: Text,
  reason: Text,
  clientMsgID: Type.Optional(Text),
  sendTime: Type.Optional(Text),
});
export type InvalidReceipt = Static<typeof InvalidReceipt>;

/**
 * An error. With `clientMsgID` or `sendTime` it concerns that message and is temporary: the client sends the message
 * again.
 */
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
  /**
   * Milliseconds to wait before reconnecting, instead of the client's first back-off. Absent: the client's own
   * back-off.
   */
  retryAfter: Type.Optional(Count),
});
export type CloseFrame = Static<typeof CloseFrame>;

/** Receipts up to this `inboxSeq` are stored: the server does not deliver those entries to this device again. */
export const ReceiptConfirm = Type.Object({ messageType: Type.Literal('receiptConfirm'), inboxSeq: Count });
export type ReceiptConfirm = Static<typeof ReceiptConfirm>;

/** Answer to a heartbeat; `inboxSeq` is the newest entry that this device got or has to get. */
export const BeatReply = Type.Object({ beatID: Text, inboxSeq: Count, serverTime: Text });
export type BeatReply = Static<typeof BeatReply>;

/**
 * A message as delivered to its recipients and the sender's other devices. A live delivery is one frame. During
 * catch-up one frame is an array of deliveries (version 1: one frame each). The client must answer with a `receipt`.
 * Deliveries in history have no `inboxSeq`.
 */
export const Delivery = Type.Object({
  messageType: Type.Literal('normal'),
  messageID: Text,
  conversationID: Text,
  seq: Count,
  serverTime: Text,
  inboxSeq: Type.Optional(Count),
  /** The previous `inboxSeq` that concerns this device, if it is not `inboxSeq − 1`. */
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
  /** Whether there are more messages in the requested direction. */
  hasMore: Type.Boolean(),
});
export type HistoryReceipt = Static<typeof HistoryReceipt>;

/** Every frame of the server. A frame may also be an array of `Delivery` (an offline batch). */
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
