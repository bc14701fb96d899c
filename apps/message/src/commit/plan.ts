import type { MembershipChange, SendReceipt } from '@huizhi/protocol';
import type { HeldLane, LaneMove } from '@huizhi/database';
import type { DecisionContext, EventKind } from '../kinds/kind.js';
import { kindOf } from '../kinds/kinds.js';
import type { EventRow } from '../sql/append.js';
import type { SendKey, Stored } from '../sql/look-up.js';
import { keyText, type ConversationState } from './lane-memory.js';
import type { QueuedSend } from './send-batch-task.js';

/** Input of a plan; planning does not change it. */
export interface PlanContext extends DecisionContext {
  lane(lane: number): HeldLane;
  conversation(lane: number, conversation: string): ConversationState;
  stored(lane: number, key: string): Stored | undefined;
  now: number;
}

/** What an event changes besides the log: members, and the rows that its kind persists. */
export interface SideEffect {
  readonly kind: EventKind;
  readonly queued: QueuedSend;
  readonly row: EventRow;
  readonly change?: MembershipChange;
}

/** What one transaction writes, and the receipts to send after its commit. */
export interface CommitPlan {
  rows: EventRow[];
  effects: SideEffect[];
  moves: LaneMove[];
  settled: { queued: QueuedSend; receipt: SendReceipt }[];
  conversations: { lane: number; conversation: string; state: ConversationState }[];
  /**
   * Refused sends that may be stored already: a duplicate is answered before any other check. Without the client ids
   * that a later send of the plan stores: their insert proves that they are new.
   */
  refused: QueuedSend[];
}

const CONFLICT = { error: 'conflict', reason: 'this clientMsgID was used before with other content' } as const;
const UNKNOWN_KIND = {
  error: 'unavailable',
  reason: 'this version of the server does not know this kind of event',
} as const;

export const keyOf = ({ task, send }: QueuedSend): SendKey => ({
  conversation: send.conversation,
  user: task.batch.user,
  clientID: send.clientID,
});

/**
 * Decides the receipts. In order of arrival, each send is a duplicate, a conflict, refused by its kind, or gets the
 * next `seq` of its conversation and the next `position` of its lane. Pure: planning changes no state.
 */
export function planCommit(sends: readonly QueuedSend[], known: PlanContext): CommitPlan {
  const plan: CommitPlan = { rows: [], effects: [], moves: [], settled: [], conversations: [], refused: [] };
  const moves = new Map<number, LaneMove>();
  const states = new Map<string, { lane: number; state: ConversationState }>();
  const fresh = new Map<string, Stored>();
  /** Conversations with a temporary refusal: a later send must not overtake the refused one. */
  const held = new Set<string>();

  for (const queued of sends) {
    const { task, send } = queued;
    const { lane } = task;
    const key = keyText(keyOf(queued));
    const before = known.stored(lane, key) ?? fresh.get(key);
    if (before) {
      plan.settled.push({ queued, receipt: before.hash === send.hash ? receiptOf(before) : CONFLICT });
      continue;
    }
    const kind = kindOf(send.kind);
    if (!kind || held.has(send.conversation)) {
      held.add(send.conversation);
      plan.settled.push({ queued, receipt: UNKNOWN_KIND });
      continue;
    }
    const move = moves.get(lane) ?? startOf(known.lane(lane));
    // Also for a refusal: it is final, and only the fenced commit proves that this instance owns the lane.
    moves.set(lane, move);
    const state = states.get(send.conversation)?.state ?? known.conversation(lane, send.conversation);
    const refusal = kind.decide(queued, state, known);
    if (refusal) {
      plan.refused.push(queued);
      plan.settled.push({ queued, receipt: refusal });
      continue;
    }
    const row = rowOf(queued, kind, ++move.to, state, known.now);
    const change = kind.membership?.(queued);
    plan.rows.push(row);
    if (change || kind.persist) plan.effects.push({ kind, queued, row, ...(change && { change }) });
    states.set(send.conversation, { lane, state: evolved(state, row, change) });
    fresh.set(key, row);
    plan.settled.push({ queued, receipt: receiptOf(row) });
  }

  plan.refused = plan.refused.filter((queued) => !fresh.has(keyText(keyOf(queued))));
  plan.moves = [...moves.values()];
  plan.conversations = [...states].map(([conversation, { lane, state }]) => ({ lane, conversation, state }));
  return plan;
}

const startOf = ({ lane, epoch, head }: HeldLane): LaneMove => ({ lane, epoch, from: head, to: head });

const receiptOf = ({ position, seq, serverTime }: Stored): SendReceipt => ({ position, seq, serverTime });

function rowOf(
  { task, send, body }: QueuedSend,
  { code }: EventKind,
  position: number,
  state: ConversationState,
  now: number,
): EventRow {
  return {
    lane: task.lane,
    position,
    conversation: send.conversation,
    seq: state.seq + 1,
    // Never decreases within a conversation, even when the clock is set back.
    serverTime: Math.max(now, state.serverTime),
    user: task.batch.user,
    device: task.batch.device,
    clientID: send.clientID,
    hash: send.hash,
    peer: send.to ?? null,
    kind: code,
    body,
  };
}

function evolved(
  { members }: ConversationState,
  row: EventRow,
  change: MembershipChange | undefined,
): ConversationState {
  const { seq, serverTime } = row;
  if (!change) return { seq, serverTime, ...(members && { members }) };
  const left = new Set(change.left);
  const stayed = [...(members ?? [])].filter((member) => !left.has(member));
  return { seq, serverTime, members: new Set([...stayed, ...(change.joined ?? [])]) };
}
