import { decodeLines, errorTable, isStored, laneOf, type SendBatch, type SendReceipt } from '@huizhi/protocol';
import { SendBatchTask } from './send-batch-task.js';

const MAX_SENDS = 20_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** Limit of remembered answers with a final refusal. */
const MAX_REFUSALS = 1_000;

/** Batches that were not queued. */
export interface UnqueuedTasks {
  /** The queue was full. */
  overflow: SendBatchTask[];
  /** The batch names another lane than that of its conversations: the gateway has a wrong HZ_MESSAGE_LANES. */
  misplaced: SendBatchTask[];
  /** The batch was answered before with a final refusal, and gets the same answer. */
  decided: SendBatchTask[];
}

/** Sends that wait while a transaction runs. Bounded in sends and bytes. */
export class SendQueue {
  private waiting: SendBatchTask[] = [];
  /** Keys of the batches that are queued or in the transaction in flight. */
  private readonly keys = new Set<string>();
  /** Latest answers with a final refusal. A repeated batch must not be decided again: it could then be stored. */
  private readonly refusals = new Map<string, readonly SendReceipt[]>();
  private sends = 0;
  private bytes = 0;

  /** @param lanes number of lanes of the service */
  constructor(private readonly lanes: number) {}

  get size(): number {
    return this.sends;
  }

  /**
   * Queues the batches of a payload. Skips a batch that is queued or in flight, because gateways repeat unanswered
   * batches. Skips a batch of a lane that is not served here: the gateway will learn the new owner.
   */
  accept(payload: Uint8Array, isServed: (lane: number) => boolean): UnqueuedTasks {
    const { head, bodies } = decodeLines<SendBatch>(payload);
    const refused: UnqueuedTasks = { overflow: [], misplaced: [], decided: [] };
    const full = this.sends >= MAX_SENDS || this.bytes >= MAX_BYTES;
    let next = 0;
    for (const batch of head.sessions) {
      const task = new SendBatchTask(head.gateway, batch, bodies.slice(next, (next += batch.sends.length)));
      if (!isServed(task.lane) || this.keys.has(task.key)) continue;
      const before = this.refusals.get(task.key);
      if (before) {
        task.settleAll(before);
        refused.decided.push(task);
      } else if (!this.isPlaced(task)) refused.misplaced.push(task);
      else if (full) refused.overflow.push(task);
      else this.push(task);
    }
    return refused;
  }

  /** Takes whole batches, oldest first: at least one, then as many as fit in `most` sends. */
  take(most: number): SendBatchTask[] {
    let count = 0;
    let sends = 0;
    for (const task of this.waiting) {
      if (count > 0 && sends + task.sends.length > most) break;
      count++;
      sends += task.sends.length;
    }
    const taken = this.waiting.splice(0, count);
    for (const task of taken) {
      this.sends -= task.sends.length;
      this.bytes -= task.size;
    }
    return taken;
  }

  /** Call it when the transaction of these batches has ended, even if its outcome is unknown. */
  decided(tasks: readonly SendBatchTask[]): void {
    for (const task of tasks) {
      this.keys.delete(task.key);
      const { receipts = [] } = task.answer() ?? {};
      if (receipts.some(isFinalRefusal)) this.remember(task.key, receipts);
    }
  }

  waitsFor(lanes: ReadonlySet<number>): boolean {
    return this.waiting.some((task) => lanes.has(task.lane));
  }

  /** A conversation with two lanes would have two writers. */
  private isPlaced({ lane, batch }: SendBatchTask): boolean {
    return batch.sends.every((send) => laneOf(send.conversation, this.lanes) === lane);
  }

  private remember(key: string, receipts: readonly SendReceipt[]): void {
    this.refusals.set(key, receipts);
    for (const oldest of this.refusals.keys()) {
      if (this.refusals.size <= MAX_REFUSALS) break;
      this.refusals.delete(oldest);
    }
  }

  private push(task: SendBatchTask): void {
    this.waiting.push(task);
    this.keys.add(task.key);
    this.sends += task.sends.length;
    this.bytes += task.size;
  }
}

const isFinalRefusal = (receipt: SendReceipt): boolean => !isStored(receipt) && !errorTable[receipt.error].temporary;
