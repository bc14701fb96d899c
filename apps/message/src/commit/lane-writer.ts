import type { SendReceipt } from '@huizhi/protocol';
import { failpointAsync, rateLimited, seededBug, type Logger } from '@huizhi/runtime';
import {
  CommitUnknownError,
  LaneLostError,
  sqlStateOf,
  WorkRefusedError,
  type DedicatedConnection,
  type HeldLane,
  type LaneKeeper,
} from '@huizhi/database';
import type pg from 'pg';
import { kindOf } from '../kinds/kinds.js';
import { appendEvents } from '../sql/append.js';
import { changeMembers } from '../sql/groups.js';
import { findHeads, findMembers, findStored, findUsers } from '../sql/look-up.js';
import { LaneMemory, type ConversationState } from './lane-memory.js';
import { keyOf, planCommit, type CommitPlan } from './plan.js';
import type { QueuedSend } from './send-batch-task.js';

/** Result of a group of sends. `silent`: the outcome is unknown, so they must not be answered. */
export type Outcome =
  | { kind: 'committed'; plan: CommitPlan }
  | { kind: 'refused'; sends: QueuedSend[]; receipt: SendReceipt }
  | { kind: 'silent'; sends: QueuedSend[] };

/** A refused send turned out to be stored: look up the duplicates and plan again, as after a WorkRefusedError. */
class DuplicateMetError extends Error {
  override readonly name = 'DuplicateMetError';
}

const UNAVAILABLE = { error: 'unavailable', reason: 'the message store is temporarily not writable' } as const;
const POISON = { error: 'badField', reason: 'the message store rejects this content' } as const;

/** SQLSTATE classes that the content of a row causes: data exceptions and program limits. */
const POISON_CLASSES = new Set(['22', '54']);
/** Integrity violations: the memory and the table disagree, so the memory is wrong. */
const CONTRADICTION_CLASS = '23';

const MAX_USERS = 100_000;

/**
 * Decides and stores sends: one transaction for all queued sends of all lanes of this instance. Holds the lanes'
 * memory. When the outcome of a commit is unknown, the lane is forgotten and read again before any answer.
 */
export class LaneWriter {
  /** Keyed by HeldLane: a lane that is taken again is a new HeldLane and starts with empty memory. */
  private readonly memories = new WeakMap<HeldLane, LaneMemory>();
  /** Users that exist. A missing user is not cached: it may be created before the next send. */
  private readonly users = new Set<string>();
  private readonly log: Logger;

  constructor(
    private readonly connection: DedicatedConnection,
    private readonly keeper: LaneKeeper,
    log: Logger,
    /** Limit of the memory of one lane in bytes. */
    private readonly memoryBytes: number,
  ) {
    this.log = rateLimited(log);
  }

  /** Stores the sends in order. A batch with invalid content is halved until the invalid send is alone. */
  async store(sends: readonly QueuedSend[]): Promise<Outcome[]> {
    const held = sends.filter((queued) => this.keeper.held(queued.task.lane));
    const silent: Outcome = { kind: 'silent', sends: sends.filter((queued) => !this.keeper.held(queued.task.lane)) };
    if (held.length === 0) return [silent];
    try {
      return [silent, { kind: 'committed', plan: await this.commit(held) }];
    } catch (error) {
      return [silent, ...(await this.recover(held, error))];
    }
  }

  private async recover(sends: readonly QueuedSend[], error: unknown): Promise<Outcome[]> {
    const lanes = [...new Set(sends.map((queued) => queued.task.lane))];
    if (error instanceof LaneLostError) {
      this.keeper.forget(error.lanes, 'taken');
      return this.store(sends);
    }
    if (error instanceof CommitUnknownError) {
      this.log.warn('commit.unknown', { lanes, error });
      this.keeper.forget(lanes, 'database');
      return [{ kind: 'silent', sends: [...sends] }];
    }
    if (stateClass(error) === CONTRADICTION_CLASS) {
      this.log.error('commit.contradiction', { lanes, error });
      this.keeper.forget(lanes, 'database');
      return [{ kind: 'silent', sends: [...sends] }];
    }
    if (!POISON_CLASSES.has(stateClass(error))) {
      this.log.warn('commit.failed', { lanes, error });
      return [{ kind: 'refused', sends: [...sends], receipt: UNAVAILABLE }];
    }
    if (sends.length === 1) {
      this.log.warn('commit.poison', { lanes, error });
      return [{ kind: 'refused', sends: [...sends], receipt: POISON }];
    }
    const middle = sends.length >> 1;
    const first = await this.store(sends.slice(0, middle));
    // Later sends must not overtake a send that was not stored: refuse them as temporary.
    if (first.some(leavesDoubt))
      return [...first, { kind: 'refused', sends: sends.slice(middle), receipt: UNAVAILABLE }];
    return [...first, ...(await this.store(sends.slice(middle)))];
  }

  /** @throws the errors that recover() distinguishes */
  private async commit(sends: readonly QueuedSend[]): Promise<CommitPlan> {
    for (let attempt = 0; attempt < 4; attempt++) {
      await this.learn(sends, attempt > 0);
      try {
        return await this.attempt(sends);
      } catch (error) {
        if (!(error instanceof DuplicateMetError || error instanceof WorkRefusedError)) throw error;
      }
    }
    throw new Error('gave up after 4 attempts: other sends with the same client ids were stored meanwhile');
  }

  private async attempt(sends: readonly QueuedSend[]): Promise<CommitPlan> {
    const plan = this.plan(sends);
    if (plan.moves.length === 0) return plan;
    const written = this.write(plan);
    if (seededBug('bug.ack-before-commit')) written.catch(() => undefined);
    else await written;
    this.apply(plan);
    await failpointAsync('message.after-commit');
    return plan;
  }

  /**
   * Messages without side effects are one statement. Anything else is a transaction that begins with this statement.
   */
  private async write({ moves, rows, effects, refused }: CommitPlan): Promise<void> {
    await failpointAsync('message.before-commit');
    const append = appendEvents(rows);
    if (effects.length === 0 && refused.length === 0) return this.keeper.write(moves, append);
    return this.keeper.write(moves, append, async (client) => {
      if (refused.length > 0 && (await areStored(client, refused))) throw new DuplicateMetError();
      for (const { kind, queued, row, change } of effects) {
        if (change) await changeMembers(client, row, change);
        await kind.persist?.(client, queued, row);
      }
    });
  }

  private plan(sends: readonly QueuedSend[]): CommitPlan {
    return planCommit(sends, {
      lane: (lane) => this.heldLane(lane),
      conversation: (lane, conversation) => this.known(lane, conversation),
      stored: (lane, key) => this.memory(lane).stored.get(key),
      userExists: (user) => this.users.has(user),
      now: this.keeper.clock.now(),
    });
  }

  /** Loads what the memory lacks to decide these sends. @throws LaneLostError when a lane is lost meanwhile */
  private async learn(sends: readonly QueuedSend[], duplicates: boolean): Promise<void> {
    if (this.users.size > MAX_USERS) this.users.clear();
    for (const { task } of sends) this.memory(task.lane).trim();
    const lanes = new Map<string, number>();
    const groups: string[] = [];
    const users = new Set<string>();
    for (const queued of sends) {
      const { task, send } = queued;
      if (!lanes.has(send.conversation) && !this.memory(task.lane).conversations.get(send.conversation)) {
        lanes.set(send.conversation, task.lane);
        if (send.group !== undefined) groups.push(send.conversation);
      }
      for (const user of kindOf(send.kind)?.users(queued) ?? []) if (!this.users.has(user)) users.add(user);
    }
    if (lanes.size === 0 && users.size === 0 && !duplicates) return;
    await this.connection.exclusive(async (client) => {
      if (duplicates) await this.lookUp(client, sends);
      if (users.size > 0) for (const user of await findUsers(client, [...users])) this.users.add(user);
      if (lanes.size > 0) await this.meetConversations(client, lanes, groups);
    });
  }

  private async meetConversations(client: pg.ClientBase, lanes: Map<string, number>, groups: string[]): Promise<void> {
    const heads = await findHeads(client, [...lanes.keys()]);
    const members = new Map<string, Set<string>>(groups.map((group) => [group, new Set()]));
    if (groups.length > 0) {
      for (const { conversation, user } of await findMembers(client, groups)) members.get(conversation)?.add(user);
    }
    const known = new Map(heads.map((head) => [head.conversation, head]));
    for (const [conversation, lane] of lanes) {
      const { seq, serverTime } = known.get(conversation) ?? NEW;
      const group = members.get(conversation);
      this.memory(lane).conversations.set(conversation, { seq, serverTime, ...(group && { members: group }) });
    }
  }

  /** Remembers which of these sends are stored. Never call it in a transaction: what it reads may be rolled back. */
  private async lookUp(client: pg.ClientBase, sends: readonly QueuedSend[]): Promise<void> {
    const lanes = new Map(sends.map((queued) => [queued.send.conversation, queued.task.lane]));
    for (const one of await findStored(client, sends.map(keyOf))) {
      const lane = lanes.get(one.conversation);
      if (lane !== undefined) this.memory(lane).remember(one);
    }
  }

  private known(lane: number, conversation: string): ConversationState {
    const state = this.memory(lane).conversations.get(conversation);
    if (!state) throw new Error('the conversation was not loaded before planning');
    return state;
  }

  private apply(plan: CommitPlan): void {
    this.keeper.committed(plan.moves);
    const isHeld = ({ lane }: { lane: number }): boolean => this.keeper.held(lane) !== undefined;
    for (const { lane, conversation, state } of plan.conversations.filter(isHeld)) {
      this.memory(lane).conversations.set(conversation, state);
    }
    for (const row of plan.rows.filter(isHeld)) this.memory(row.lane).remember(row);
  }

  private heldLane(lane: number): HeldLane {
    const held = this.keeper.held(lane);
    if (!held) throw new LaneLostError([lane]);
    return held;
  }

  private memory(lane: number): LaneMemory {
    const held = this.heldLane(lane);
    let memory = this.memories.get(held);
    if (!memory) this.memories.set(held, (memory = new LaneMemory(this.memoryBytes)));
    return memory;
  }
}

const NEW: ConversationState = { seq: 0, serverTime: 0 };

const areStored = async (client: pg.ClientBase, sends: readonly QueuedSend[]): Promise<boolean> =>
  (await findStored(client, sends.map(keyOf))).length > 0;

const leavesDoubt = (outcome: Outcome): boolean =>
  (outcome.kind === 'silent' && outcome.sends.length > 0) || (outcome.kind === 'refused' && outcome.receipt !== POISON);

/** Class of an SQLSTATE (its first two characters); empty for an error of another kind. */
const stateClass = (error: unknown): string => sqlStateOf(error)?.slice(0, 2) ?? '';
