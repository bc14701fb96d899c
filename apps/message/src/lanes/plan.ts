import type { HeldLane, LaneMove } from '@huizhi/runtime';
import type { SendReceipt } from '@huizhi/protocol';
import type { EventRow } from '../sql/append.js';
import type { SendKey, Stored } from '../sql/look-up.js';
import { keyText, type ConversationState } from './lane-memory.js';
import type { Item } from './work.js';

/** What a plan is made from; nothing of it is changed by planning. */
export interface Known {
  lane(lane: number): HeldLane;
  conversation(lane: number, conversation: string): ConversationState;
  stored(lane: number, key: string): Stored | undefined;
  userExists(user: string): boolean;
  now: number;
}

/** What one transaction will write, and what it will answer once it is committed. */
export interface Plan {
  rows: EventRow[];
  groups: { conversation: string; groupID: string; creator: string; position: number; members: string[] }[];
  moves: LaneMove[];
  settled: { item: Item; receipt: SendReceipt }[];
  conversations: { lane: number; conversation: string; state: ConversationState }[];
  /**
   * Refused, unless they turn out to be stored already: a duplicate is answered before any other check. Without those whose client id
   * a later send of the plan uses: that its row is new says that they were not.
   */
  refused: Item[];
}

const NOT_ALLOWED = { error: 'notAllowed', reason: 'this target does not exist or is not yours to write to' } as const;
const CONFLICT = { error: 'conflict', reason: 'this clientMsgID was used before with other content' } as const;

export const keyOf = ({ work, send }: Item): SendKey => ({
  conversation: send.conversation,
  user: work.batch.user,
  clientID: send.clientID,
});

/**
 * Where receipts are decided. In the order of arrival each send is a duplicate, a conflict, refused, or the next `seq` of
 * its conversation and the next `position` of its lane. Pure: a plan that is not committed has changed nothing.
 */
export function planOf(items: readonly Item[], known: Known): Plan {
  const plan: Plan = { rows: [], groups: [], moves: [], settled: [], conversations: [], refused: [] };
  const moves = new Map<number, LaneMove>();
  const states = new Map<string, { lane: number; state: ConversationState }>();
  const fresh = new Map<string, Stored>();

  for (const item of items) {
    const { work, send } = item;
    const { lane } = work;
    const key = keyText(keyOf(item));
    const before = known.stored(lane, key) ?? fresh.get(key);
    if (before) {
      plan.settled.push({ item, receipt: before.hash === send.hash ? receiptOf(before) : CONFLICT });
      continue;
    }
    const move = moves.get(lane) ?? startOf(known.lane(lane));
    // Also for a refusal: only who is the owner, which the commit proves, may say "is not stored and will not be".
    moves.set(lane, move);
    const state = states.get(send.conversation)?.state ?? known.conversation(lane, send.conversation);
    if (!isAllowed(item, state, known)) {
      plan.refused.push(item);
      plan.settled.push({ item, receipt: NOT_ALLOWED });
      continue;
    }
    const row = rowOf(item, ++move.to, state, known.now);
    plan.rows.push(row);
    if (send.members) plan.groups.push(groupOf(item, row));
    states.set(send.conversation, { lane, state: nextState(item, row, state) });
    fresh.set(key, row);
    plan.settled.push({ item, receipt: receiptOf(row) });
  }

  plan.refused = plan.refused.filter((item) => !fresh.has(keyText(keyOf(item))));
  plan.moves = [...moves.values()];
  plan.conversations = [...states].map(([conversation, { lane, state }]) => ({ lane, conversation, state }));
  return plan;
}

const startOf = ({ lane, epoch, head }: HeldLane): LaneMove => ({ lane, epoch, from: head, to: head });

const receiptOf = ({ position, seq, serverTime }: Stored): SendReceipt => ({ position, seq, serverTime });

function isAllowed({ work, send }: Item, state: ConversationState, known: Known): boolean {
  const { user } = work.batch;
  if (send.members) return state.seq === 0 && send.members.every((member) => known.userExists(member));
  if (send.group !== undefined) return state.members?.has(user) ?? false;
  return send.to !== undefined && known.userExists(send.to);
}

function rowOf({ work, send, body }: Item, position: number, state: ConversationState, now: number): EventRow {
  return {
    lane: work.lane,
    position,
    conversation: send.conversation,
    seq: state.seq + 1,
    // Never decreasing within a conversation, whatever the clock does.
    serverTime: Math.max(now, state.serverTime),
    user: work.batch.user,
    device: work.batch.device,
    clientID: send.clientID,
    hash: send.hash,
    peer: send.to ?? null,
    makesGroup: send.members !== undefined,
    body,
  };
}

const allMembers = ({ work, send }: Item): string[] => [...new Set([work.batch.user, ...(send.members ?? [])])];

const groupOf = (item: Item, row: EventRow): Plan['groups'][number] => ({
  conversation: row.conversation,
  groupID: item.send.group ?? '',
  creator: row.user,
  position: row.position,
  members: allMembers(item),
});

function nextState(item: Item, row: EventRow, state: ConversationState): ConversationState {
  const members = item.send.members ? new Set(allMembers(item)) : state.members;
  return { seq: row.seq, serverTime: row.serverTime, ...(members && { members }) };
}
