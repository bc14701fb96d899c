import { errorTable, isStored, type ErrorName, type RefusedReceipt, type SendReceipt } from '@huizhi/protocol';
import type { PendingSend } from './pending-send.js';

export interface SendTimings {
  readonly HZ_SEND_TIMEOUT: number;
  readonly HZ_RESEND_AFTER: number;
  readonly HZ_RESEND_MAX: number;
  readonly HZ_REORDER_HOLD: number;
}

/** The one unanswered batch of a lane. It is sent again as it is, so it is never changed. */
export interface Batch {
  readonly number: number;
  readonly sends: readonly PendingSend[];
  readonly bytes: number;
  /** When nobody is to wait for its answer any more. */
  readonly expiresAt: number;
  sentAt: number;
  /** It was not answered in time at least once. */
  isLate: boolean;
  wait: number;
  /** To be sent (again) at the end of this turn. */
  ready: boolean;
}

/** When it is to be sent again or given up. */
export const dueAt = ({ sentAt, wait, expiresAt }: Batch): number => Math.min(sentAt + wait, expiresAt);

interface LaneQueue {
  batches: number;
  unanswered: Batch | undefined;
  waiting: PendingSend[];
}

/** A send and what became of it. */
export interface Settled {
  readonly pending: PendingSend;
  readonly receipt: SendReceipt;
}

/** What all sessions together may have unanswered, bytes: while the message service is away, what comes in stays here. */
export class SendBudget {
  used = 0;

  constructor(private readonly limit: number) {}

  hasRoom(bytes: number): boolean {
    return this.used + bytes <= this.limit;
  }
}

interface ReorderGuard {
  readonly clientID: string;
  readonly until: number;
}

/** One session's share of a batch: far below what the bus carries, so that several fit into one message. */
export const MAX_BATCH_BYTES = 256 * 1024;
const MAX_REORDER_GUARDS = 200;
const TIMED_OUT: RefusedReceipt = { error: 'unknown', reason: 'no answer in time' };
const OVERTAKEN: RefusedReceipt = { error: 'unknown', reason: 'an earlier message is unsettled' };

/**
 * One session's sends, from the frame to the receipt.
 *
 * At most one batch per lane is unanswered; what comes meanwhile waits behind it. The batch is repeated word for word until it is
 * answered: storing is idempotent, so loss and hand-over need no numbering and cannot swap two messages.
 *
 * When a send is answered temporarily, the client has to send it again; whatever came after it in the same conversation would overtake
 * it. So that is answered in the same way, and for a while the conversation takes nothing but the first message refused: the fence.
 */
export class SessionSends {
  private readonly lanes = new Map<number, LaneQueue>();
  private readonly reorderGuards = new Map<string, ReorderGuard>();
  /** Sends without an answer, and their bytes: both bounded by the session's limits. */
  count = 0;
  bytes = 0;

  constructor(
    private readonly timings: SendTimings,
    private readonly budget: SendBudget,
  ) {}

  /** Queues it, or says why not. */
  offer(pending: PendingSend, now: number): ErrorName | undefined {
    const { conversation, clientID } = pending.send;
    const fence = this.reorderGuards.get(conversation);
    if (fence) {
      if (clientID !== fence.clientID && now < fence.until) return 'resendInOrder';
      this.reorderGuards.delete(conversation);
    }
    if (!this.budget.hasRoom(pending.bytes)) {
      this.guardOrder(pending, now);
      return 'unavailable';
    }
    pending.offeredAt = now;
    this.queue(pending.lane).waiting.push(pending);
    this.count += 1;
    this.bytes += pending.bytes;
    this.budget.used += pending.bytes;
    return undefined;
  }

  /** The session is over: nobody waits for the answers. */
  abandon(): void {
    this.lanes.clear();
    this.budget.used -= this.bytes;
    this.count = this.bytes = 0;
  }

  /** The batch of this lane that is to be sent now, if there is one: a new one, or one that is due again. */
  take(lane: number, now: number): Batch | undefined {
    const queue = this.queue(lane);
    if (!queue.unanswered && queue.waiting.length > 0) queue.unanswered = this.collectBatch(queue, now);
    const batch = queue.unanswered;
    if (!batch?.ready) return undefined;
    batch.ready = false;
    batch.sentAt = now;
    return batch;
  }

  /** Something waits behind the batch of this lane. */
  waits(lane: number): boolean {
    return (this.lanes.get(lane)?.waiting.length ?? 0) > 0;
  }

  /** Marks the unanswered batch of a lane to be sent again. False: there is none. */
  again(lane: number): boolean {
    const batch = this.lanes.get(lane)?.unanswered;
    if (batch) batch.ready = true;
    return batch !== undefined;
  }

  /** What an answer settles: nothing if it is not the one waited for. */
  answer(lane: number, number: number, receipts: readonly SendReceipt[], now: number): Settled[] {
    const queue = this.lanes.get(lane);
    const batch = queue?.unanswered;
    if (!queue || batch?.number !== number) return [];
    queue.unanswered = undefined;
    const settled: Settled[] = batch.sends.map((pending, i) => ({ pending, receipt: receipts[i] ?? TIMED_OUT }));
    for (const { pending, receipt } of settled) {
      if (!isStored(receipt) && errorTable[receipt.error].temporary)
        this.refuseBehind(queue, pending, receipt, settled, now);
    }
    return this.leave(settled);
  }

  /** What has waited too long for an answer, with everything behind it. */
  expire(now: number): Settled[] {
    const settled: Settled[] = [];
    for (const queue of this.lanes.values()) {
      const batch = queue.unanswered;
      if (!batch || now < batch.expiresAt) continue;
      const behind = queue.waiting;
      queue.unanswered = undefined;
      queue.waiting = [];
      for (const pending of [...batch.sends, ...behind]) {
        this.guardOrder(pending, now);
        settled.push({ pending, receipt: TIMED_OUT });
      }
    }
    return this.leave(settled);
  }

  /** Marks the batches that are due again, waits longer for each next time, and names their lanes. */
  repeat(now: number): number[] {
    const lanes: number[] = [];
    for (const [lane, { unanswered: batch }] of this.lanes) {
      if (!batch || batch.ready || now - batch.sentAt < batch.wait) continue;
      batch.isLate = true;
      batch.wait = Math.min(batch.wait * 1.5, this.timings.HZ_RESEND_MAX);
      batch.ready = true;
      lanes.push(lane);
    }
    return lanes;
  }

  /** When {@link repeat} or {@link expire} has something to do. */
  nextDue(): number {
    let next = Infinity;
    for (const { unanswered: batch } of this.lanes.values()) {
      if (batch) next = Math.min(next, dueAt(batch));
    }
    return next;
  }

  private queue(lane: number): LaneQueue {
    let queue = this.lanes.get(lane);
    if (!queue) this.lanes.set(lane, (queue = { batches: 0, unanswered: undefined, waiting: [] }));
    return queue;
  }

  private collectBatch(queue: LaneQueue, now: number): Batch {
    let bytes = 0;
    let taken = 0;
    for (const { bytes: more } of queue.waiting) {
      if (taken > 0 && bytes + more > MAX_BATCH_BYTES) break;
      bytes += more;
      taken += 1;
    }
    queue.batches += 1;
    const sends = queue.waiting.slice(0, taken);
    queue.waiting = queue.waiting.slice(taken);
    return {
      number: queue.batches,
      sends,
      bytes,
      // Its first has waited longest of all there are, behind the batch before, too: so nobody waits longer than the time allowed.
      expiresAt: (sends[0]?.offeredAt ?? now) + this.timings.HZ_SEND_TIMEOUT,
      sentAt: now,
      isLate: false,
      wait: this.timings.HZ_RESEND_AFTER,
      ready: true,
    };
  }

  private refuseBehind(
    queue: LaneQueue,
    first: PendingSend,
    receipt: RefusedReceipt,
    settled: Settled[],
    now: number,
  ): void {
    this.guardOrder(first, now);
    const { conversation } = first.send;
    if (!queue.waiting.some(({ send }) => send.conversation === conversation)) return;
    const behind = { ...OVERTAKEN, error: receipt.error };
    queue.waiting = queue.waiting.filter((pending) => {
      if (pending.send.conversation !== conversation) return true;
      settled.push({ pending, receipt: behind });
      return false;
    });
  }

  private guardOrder({ send }: PendingSend, now: number): void {
    const standing = this.reorderGuards.get(send.conversation);
    if (standing && now < standing.until) return;
    this.reorderGuards.delete(send.conversation);
    for (const oldest of this.reorderGuards.keys()) {
      if (this.reorderGuards.size < MAX_REORDER_GUARDS) break;
      this.reorderGuards.delete(oldest);
    }
    this.reorderGuards.set(send.conversation, { clientID: send.clientID, until: now + this.timings.HZ_REORDER_HOLD });
  }

  private leave(settled: Settled[]): Settled[] {
    this.count -= settled.length;
    for (const { pending } of settled) {
      this.bytes -= pending.bytes;
      this.budget.used -= pending.bytes;
    }
    return settled;
  }
}
