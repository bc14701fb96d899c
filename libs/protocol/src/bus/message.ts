import type { ErrorName } from '../errors.js';
import { idBytes } from '../id-rule.js';

/** What a gateway read for the lanes of one owner. Body lines: one per send, in order, sessions after one another. */
export interface SendBatch {
  gateway: string;
  sessions: SessionBatch[];
}

/** The one unanswered batch of a session on a lane. Said again, word for word, until it is answered. */
export interface SessionBatch {
  /** The session's number, unique in its gateway. */
  session: number;
  lane: number;
  /** Numbers the session's batches on this lane: an answer to an older one is passed over. */
  batch: number;
  user: string;
  device: string;
  sends: Send[];
}

/** The kinds of events. Each has one definition in `apps/message/src/kinds/`. */
export const EVENT_KINDS = ['message', 'groupCreated'] as const;
export type EventKindName = (typeof EVENT_KINDS)[number];

/** One event on its way in, before the lane owner has decided. Its body is the sender's part of the delivery, as JSON text. */
export interface Send {
  kind: EventKindName;
  conversation: string;
  clientID: string;
  /** Stands for the content when the client id is used again. */
  hash: string;
  /** The other user of a pair; the sender itself for its notes. */
  to?: string;
  group?: string;
  /** `groupCreated`: the members, the sender not among them. */
  members?: string[];
}

/** What one commit decided for one gateway's sessions, whatever their lanes. */
export interface ReceiptBatch {
  answers: SessionAnswer[];
}

export interface SessionAnswer {
  session: number;
  lane: number;
  batch: number;
  receipts: SendReceipt[];
}

/** In the order of the sends. */
export type SendReceipt = StoredReceipt | RefusedReceipt;
export interface StoredReceipt {
  position: number;
  seq: number;
  serverTime: number;
}
export interface RefusedReceipt {
  error: ErrorName;
  reason: string;
}
export const isStored = (receipt: SendReceipt): receipt is StoredReceipt => 'position' in receipt;

/** An event of a lane, without its body. */
export interface LaneEvent {
  position: number;
  conversation: string;
  seq: number;
  serverTime: number;
  user: string;
  device: string;
  /** The two users of a pair; one when it is the user's own. Absent for a group. */
  pair?: string[];
  /** Present in an event that changes the members of a group. */
  change?: MembershipChange;
}

/** Members of a group from an event's position on. `joined` receive that event; `left` receive it too, as their last one. */
export interface MembershipChange {
  joined?: string[];
  left?: string[];
}

/** Names of fields, numbers and punctuation of an event. */
const EVENT_BYTES = 200;
/** Quotes and a comma. */
const ITEM_BYTES = 3;

/** The most bytes that an event takes in the head of a bus message. */
export function eventHeadBytes({ conversation, user, device, pair, change }: LaneEvent): number {
  let bytes = EVENT_BYTES + idBytes(conversation) + idBytes(user) + idBytes(device);
  if (pair) for (const one of pair) bytes += idBytes(one) + ITEM_BYTES;
  for (const one of change?.joined ?? []) bytes += idBytes(one) + ITEM_BYTES;
  for (const one of change?.left ?? []) bytes += idBytes(one) + ITEM_BYTES;
  return bytes;
}

/** The committed events of one transaction: runs of positions without holes. Body lines: one delivery text per event. */
export interface CommittedEvents {
  runs: CommittedRun[];
}
export interface CommittedRun {
  lane: number;
  epoch: number;
  events: LaneEvent[];
}

/** How long offline services wait for what they read from the message service, milliseconds; then they ask again. */
export const READ_TIMEOUT_MS = 2_000;

/** The events of a lane from `from` on, at most `limit` of them and MAX_BUS_BYTES. */
export interface LogRangeRequest {
  op: 'range';
  lane: number;
  from: number;
  limit: number;
}
/** The bodies of these events; as many of them, from the first on, as fit MAX_BUS_BYTES. */
export interface LogGetRequest {
  op: 'get';
  places: [lane: number, position: number][];
}
/** Body lines: one delivery text per event (`range`) or per place (`get`; an empty line where there is none). */
export interface LogReply {
  error?: ErrorName;
  /** `range`: the events. */
  events?: LaneEvent[];
  /** `range`: the lane's head when it was read. */
  head?: number;
  /** `get`: how many of the places were answered. */
  count?: number;
}

/** A group, and a position of its lane: meant are the members whom an event at that position concerns. */
export type GroupAt = [conversation: string, position: number];
/** The members of these groups, the most wanted first; of as many of them, from the first on, as fit MAX_BUS_BYTES. */
export interface MembersRequest {
  groups: GroupAt[];
}
/** Body lines: a JSON array of user ids per group, in the order asked. What has no line is to be asked for again. */
export interface MembersReply {
  error?: ErrorName;
}

export interface HistoryRequest {
  user: string;
  conversation: string;
  /** The other user of a pair. */
  to?: string;
  beforeSeq?: number;
  afterSeq?: number;
  limit: number;
}
export interface HistoryReply {
  error?: ErrorName;
  hasMore: boolean;
}
