import type { EventKindName, MembershipChange, RefusedReceipt } from '@huizhi/protocol';
import type pg from 'pg';
import type { ConversationState } from '../commit/lane-memory.js';
import type { QueuedSend } from '../commit/send-batch-task.js';
import type { EventRow } from '../sql/append.js';

/** Inputs of a decision besides the send and the conversation's state. All of them are loaded before. */
export interface DecisionContext {
  readonly userExists: (user: string) => boolean;
}

/**
 * One kind of event in a conversation. No other code names the kind: not the planner, the writer, the publisher or the
 * log. The lane owner decides everything here, in the order of the lane.
 *
 * A kind holds no state, and its functions are pure except `persist`.
 */
export interface EventKind {
  /** The name in sends, in code and in documents. */
  readonly name: EventKindName;
  /** Value of `message.event.kind`, 1 … 32767. Never reused for another kind. */
  readonly code: number;
  /** Users whose existence the decision depends on; loaded before it. */
  readonly users: (item: QueuedSend) => readonly string[];
  /**
   * Whether the event may happen. Called after duplicates and conflicts were answered.
   * @returns the refusal, or undefined when the event is accepted
   */
  readonly decide: (item: QueuedSend, state: ConversationState, context: DecisionContext) => RefusedReceipt | undefined;
  /** Members that join or leave the conversation by this event. */
  readonly membership?: (item: QueuedSend) => MembershipChange;
  /** Stores more than the event and its membership change, in the same transaction. */
  readonly persist?: (client: pg.ClientBase, item: QueuedSend, row: EventRow) => Promise<void>;
}
