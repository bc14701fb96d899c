import { errorTable, isStored, type ErrorName, type RefusedReceipt, type SendReceipt } from '@huizhi/protocol';
import type { PendingSend } from './pending-send.js';

export interface SendTimings {
  readonly HZ_SEND_TIMEOUT: number;
  readonly HZ_RESEND_AFTER: number;
  readonly HZ_RESEND_MAX: number;
  readonly HZ_REORDER_HOLD: number;
}

/** The unanswered batch of a lane. It is immutable, because repetitions must be identical. */
export interface Batch {
  readonly number: number;
  readonly sends: readonly PendingSend[];
  readonly bytes: number;
  /** When the batch expires without an answer, ms. */
  readonly expiresAt: number;
  sentAt: number;
  /** The batch was not answered in time at least once. */
  isLate: boolean;
  wait: number;
  /** The batch waits for the next flush. */
  ready: boolean;
}

/** When the batch is due to be repeated or expires, ms. */
export const dueAt = ({ sentAt, wait, expiresAt }: Batch): number => Math.min(sentAt + wait, expiresAt);

interface LaneQueue {
  batches: number;
  unanswered: Batch | undefined;
  waiting: PendingSend[];
}

/** A send and its result. */
export interface Settled {
  readonly pending: PendingSend;
  readonly receipt: SendReceipt;
}

/** Limits the bytes of unanswered sends of all sessions, which pile up while the message service is unavailable. */
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

/** Maximum bytes of one session's batch; far below the bus limit, so that several fit into one bus message. */
export const MAX_BATCH_BYTES = 256 * 1024;
const MAX_REORDER_GUARDS = 200;
const TIMED_OUT: RefusedReceipt = { error: 'unknown', reason: 'no answer in time' };
const OVERTAKEN: RefusedReceipt = { error: 'unknown', reason: 'an earlier message is unsettled' };

/**
 * One session's sends, from the frame to the receipt.
 *
 * At most one batch per lane is unanswered; later sends wait behind it. The batch is repeated unchanged until it is
 * answered. Storing is idempotent, so loss and hand-over cannot reorder messages.
 *
 * After a temporary refusal the client has to repeat the send. Later sends of the same conversation would overtake it,
 * so these are refused as well, and a ReorderGuard accepts only the first refused send for HZ_REORDER_HOLD.
 */
export class SessionSends {
  private readonly lanes = new Map<number, LaneQueue>();
  private readonly reorderGuards = new Map<string, ReorderGuard>();
  /** Number and bytes of sends without an answer; both are limited per session. */
  count = 0;
  bytes = 0;

  constructor(
    private readonly timings: SendTimings,
    private readonly budget: SendBudget,
  ) {}

  /** Queues the send, or returns the error that refuses it. */
  offer(pending: PendingSend, now: number): ErrorName | undefined {
    const { conversation, clientID } = pending.send;
    const guard = this.reorderGuards.get(conversation);
    if (guard) {
      if (clientID !== guard.clientID && now < guard.until) return 'resendInOrder';
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

  /** The session has ended; answers are no longer needed. */
  abandon(): void {
    this.lanes.clear();
    this.budget.used -= this.bytes;
    this.count = this.bytes = 0;
  }

  /** The batch of this lane to send now, if any: a new one or a repeated one. */
  take(lane: number, now: number): Batch | undefined {
    const queue = this.queue(lane);
    if (!queue.unanswered && queue.waiting.length > 0) queue.unanswered = this.collectBatch(queue, now);
    const batch = queue.unanswered;
    if (!batch?.ready) return undefined;
    batch.ready = false;
    batch.sentAt = now;
    return batch;
  }

  /** Whether sends wait behind the batch of this lane. */
  waits(lane: number): boolean {
    return (this.lanes.get(lane)?.waiting.length ?? 0) > 0;
  }

  /**
   * Marks the unanswered batch of a lane to be repeated.
   * @returns whether there is one
   */
  again(lane: number): boolean {
    const batch = this.lanes.get(lane)?.unanswered;
    if (batch) batch.ready = true;
    return batch !== undefined;
  }

  /** The sends that an answer settles; none when it does not match the unanswered batch. */
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

  /** Settles expired batches, and all sends queued behind them, as `unknown`. */
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

  /**
   * Marks the batches that are due to be repeated and extends their wait.
   * @returns their lanes
   */
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

  /** When {@link repeat} or {@link expire} has work to do, ms. */
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
      // The first send has waited longest, including its time behind the previous batch.
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
