import type { ErrorName } from '../errors.js';
import { idBytes } from '../id-rule.js';

/** Sends from a gateway for the lanes of one owner. Body lines: one per send, in order, session after session. */
export interface SendBatch {
  gateway: string;
  sessions: SessionBatch[];
}

/** The single unanswered batch of a session on a lane. The gateway repeats it unchanged until it is answered. */
export interface SessionBatch {
  /** The session's number, unique in its gateway. */
  session: number;
  lane: number;
  /** Number of the batch within the session and lane. The gateway ignores answers to older batches. */
  batch: number;
  user: string;
  device: string;
  sends: Send[];
}

/** The kinds of events. Each has one definition in `apps/message/src/kinds/`. */
export const EVENT_KINDS = ['message', 'groupCreated'] as const;
export type EventKindName = (typeof EVENT_KINDS)[number];

/** One event before the lane owner has decided on it. Its body is the sender's part of the delivery, as JSON text. */
export interface Send {
  kind: EventKindName;
  conversation: string;
  clientID: string;
  /** Hash of the content, compared when the client id is used again. */
  hash: string;
  /** The other user of a pair; for notes, the sender. */
  to?: string;
  group?: string;
  /** `groupCreated`: the members without the sender. */
  members?: string[];
}

/** Results of one commit for the sessions of one gateway, across all lanes of the commit. */
export interface ReceiptBatch {
  answers: SessionAnswer[];
}

export interface SessionAnswer {
  session: number;
  lane: number;
  batch: number;
  receipts: SendReceipt[];
}

/** Result of one send; an answer has one per send, in the order of the sends. */
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
  /** The two users of a pair; one user for notes. Absent for a group. */
  pair?: string[];
  /** Present in an event that changes the members of a group. */
  change?: MembershipChange;
}

/**
 * Change of a group's members at an event's position. `joined` receive that event; `left` receive it as their last one.
 */
export interface MembershipChange {
  joined?: string[];
  left?: string[];
}

/** Upper bound in bytes of an event's field names, numbers and punctuation. */
const EVENT_BYTES = 200;
/** Quotes and comma of one array item, in bytes. */
const ITEM_BYTES = 3;

/** Upper bound of the bytes that an event adds to the head of a bus message. */
export function eventHeadBytes({ conversation, user, device, pair, change }: LaneEvent): number {
  let bytes = EVENT_BYTES + idBytes(conversation) + idBytes(user) + idBytes(device);
  if (pair) for (const one of pair) bytes += idBytes(one) + ITEM_BYTES;
  for (const one of change?.joined ?? []) bytes += idBytes(one) + ITEM_BYTES;
  for (const one of change?.left ?? []) bytes += idBytes(one) + ITEM_BYTES;
  return bytes;
}

/**
 * The committed events of one transaction, as runs of consecutive positions. Body lines: one delivery text per event.
 */
export interface CommittedEvents {
  runs: CommittedRun[];
}
export interface CommittedRun {
  lane: number;
  epoch: number;
  events: LaneEvent[];
}

/** Time in ms that an offline instance waits for a reply of the message service before it repeats the request. */
export const READ_TIMEOUT_MS = 2_000;

/** The events of a lane from position `from`, limited to `limit` events and MAX_BUS_BYTES. */
export interface LogRangeRequest {
  op: 'range';
  lane: number;
  from: number;
  limit: number;
}
/** The bodies of these events, from the first one, as many as fit MAX_BUS_BYTES. */
export interface LogGetRequest {
  op: 'get';
  places: [lane: number, position: number][];
}
/** Body lines: one delivery text per event (`range`) or per place (`get`; an empty line if the place has no event). */
export interface LogReply {
  error?: ErrorName;
  /** `range`: the events. */
  events?: LaneEvent[];
  /** `range`: the lane's head at the time of the read. */
  head?: number;
  /** `get`: the number of places answered. */
  count?: number;
}

/** A group and a position of its lane: the members that an event at that position concerns. */
export type GroupAt = [conversation: string, position: number];
/**
 * The members of these groups, the most urgent first. The reply covers as many, from the first one, as fit
 * MAX_BUS_BYTES.
 */
export interface MembersRequest {
  groups: GroupAt[];
}
/** Body lines: a JSON array of user ids per group, in the order of the request. Request groups without a line again. */
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
