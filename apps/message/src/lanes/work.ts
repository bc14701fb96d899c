import type { Send, SendReceipt, SessionAnswer, SessionBatch } from '@huizhi/protocol';

/** A session's batch while it is being decided; answered as a whole. */
export class Work {
  readonly items: Item[];
  /** Characters of all bodies. */
  readonly size: number;
  private readonly receipts: (SendReceipt | undefined)[];

  constructor(
    readonly gateway: string,
    readonly batch: SessionBatch,
    bodies: readonly string[],
  ) {
    this.items = batch.sends.map((send, index) => ({ work: this, index, send, body: bodies[index] ?? '{}' }));
    this.size = this.items.reduce((sum, item) => sum + item.body.length, 0);
    this.receipts = batch.sends.map(() => undefined);
  }

  get lane(): number {
    return this.batch.lane;
  }

  /** Names the batch among all that wait: a gateway says an unanswered one again, word for word. */
  get key(): string {
    return `${this.gateway} ${this.batch.session} ${this.lane} ${this.batch.batch}`;
  }

  settle(item: Item, receipt: SendReceipt): void {
    this.receipts[item.index] = receipt;
  }

  settleAll(receipts: readonly SendReceipt[]): void {
    for (const [index, receipt] of receipts.entries()) this.receipts[index] = receipt;
  }

  /** The answer, once every send of the batch has its receipt. */
  answer(): SessionAnswer | undefined {
    const receipts = this.receipts.filter((receipt) => receipt !== undefined);
    if (receipts.length < this.receipts.length) return undefined;
    return { session: this.batch.session, lane: this.lane, batch: this.batch.batch, receipts };
  }
}

/** One send of a batch. */
export interface Item {
  readonly work: Work;
  readonly index: number;
  readonly send: Send;
  readonly body: string;
}
