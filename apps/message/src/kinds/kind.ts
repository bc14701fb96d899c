import type { EventKindName, MembershipChange, RefusedReceipt } from '@huizhi/protocol';
import type pg from 'pg';
import type { ConversationState } from '../commit/lane-memory.js';
import type { QueuedSend } from '../commit/send-batch-task.js';
import type { EventRow } from '../sql/append.js';

/** What a decision may look at besides the send and the conversation's state. All of it was loaded before. */
export interface DecisionContext {
  readonly userExists: (user: string) => boolean;
}

/**
 * One kind of event in a conversation. This object is the only place that knows the kind: the planner, the writer, the
 * publisher and the log name no kind. Everything here is decided by the lane owner, inside the order of the lane.
 *
 * A kind holds no state, and its functions are pure except `persist`.
 */
export interface EventKind {
  /** The name in sends, in code and in documents. */
  readonly name: EventKindName;
  /** What `message.event.kind` holds. Never used again for another kind. 1 … 32767. */
  readonly code: number;
  /** Users whose existence the decision depends on: they are loaded before. */
  readonly users: (item: QueuedSend) => readonly string[];
  /**
   * Whether the event may happen. Called after duplicates and conflicts were answered.
   * @returns the refusal, or nothing
   */
  readonly decide: (item: QueuedSend, state: ConversationState, context: DecisionContext) => RefusedReceipt | undefined;
  /** The members who join and leave the conversation by this event. */
  readonly membership?: (item: QueuedSend) => MembershipChange;
  /** What is stored besides the event and its membership change, in the same transaction. */
  readonly persist?: (client: pg.ClientBase, item: QueuedSend, row: EventRow) => Promise<void>;
}
