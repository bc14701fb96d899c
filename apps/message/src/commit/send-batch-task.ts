import type { Send, SendReceipt, SessionAnswer, SessionBatch } from '@huizhi/protocol';

/** A batch of a session until it is answered as a whole. */
export class SendBatchTask {
  readonly sends: QueuedSend[];
  /** Length of all bodies together in UTF-16 units. */
  readonly size: number;
  private readonly receipts: (SendReceipt | undefined)[];

  constructor(
    readonly gateway: string,
    readonly batch: SessionBatch,
    bodies: readonly string[],
  ) {
    this.sends = batch.sends.map((send, index) => ({ task: this, index, send, body: bodies[index] ?? '{}' }));
    this.size = this.sends.reduce((sum, queued) => sum + queued.body.length, 0);
    this.receipts = batch.sends.map(() => undefined);
  }

  get lane(): number {
    return this.batch.lane;
  }

  /** Identifies the batch among the queued ones: a gateway repeats an unanswered batch with the same numbers. */
  get key(): string {
    return `${this.gateway} ${this.batch.session} ${this.lane} ${this.batch.batch}`;
  }

  settle(queued: QueuedSend, receipt: SendReceipt): void {
    this.receipts[queued.index] = receipt;
  }

  settleAll(receipts: readonly SendReceipt[]): void {
    for (const [index, receipt] of receipts.entries()) this.receipts[index] = receipt;
  }

  /** The answer, or undefined until every send of the batch has its receipt. */
  answer(): SessionAnswer | undefined {
    const receipts = this.receipts.filter((receipt) => receipt !== undefined);
    if (receipts.length < this.receipts.length) return undefined;
    return { session: this.batch.session, lane: this.lane, batch: this.batch.batch, receipts };
  }
}

/** One send of a batch. */
export interface QueuedSend {
  readonly task: SendBatchTask;
  readonly index: number;
  readonly send: Send;
  readonly body: string;
}
