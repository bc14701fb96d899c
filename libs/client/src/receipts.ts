import type { Receipt } from '@huizhi/protocol/client';
import type { Settings } from './settings.js';

const MAX_IDS = 1000;

/**
 * Sends the receipts of a session. Entries are stored in `inboxSeq` order, so one cumulative `upTo` covers them; only
 * entries without an `inboxSeq` are receipted by id. Receipts are coalesced for `receiptMs` and repeated each
 * `confirmMs` until confirmed.
 */
export class Receipts {
  private upTo = 0;
  private said = 0;
  private confirmed = 0;
  private again = false;
  private ids = new Set<string>();
  private held = false;
  private collect: ReturnType<typeof setTimeout> | undefined;
  private repeat: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly timings: Settings['timings'],
    private readonly send: (receipt: Receipt) => void,
  ) {}

  /** Begins a session with the cursor of its loginReceipt. */
  open(cursor: number): void {
    this.close();
    this.upTo = this.said = this.confirmed = cursor;
  }

  /** Schedules a receipt of all entries up to `inboxSeq`, which are stored. A repeated call sends the receipt again. */
  owe(inboxSeq: number): void {
    if (inboxSeq <= this.said) this.again = true;
    this.upTo = Math.max(this.upTo, inboxSeq);
    this.schedule();
  }

  oweById(messageID: string): void {
    this.ids.add(messageID);
    if (this.ids.size >= MAX_IDS && !this.held) this.flush();
    else this.schedule();
  }

  confirm(inboxSeq: number): void {
    this.confirmed = Math.max(this.confirmed, inboxSeq);
    if (this.confirmed < this.said) return;
    clearTimeout(this.repeat);
    this.repeat = undefined;
  }

  /** While held, no receipt is sent; pending receipts are sent when the hold ends. */
  hold(held: boolean): void {
    this.held = held;
    if (!held) this.flush();
  }

  get isHeld(): boolean {
    return this.held;
  }

  /** Sends pending receipts at once. */
  flush(): void {
    clearTimeout(this.collect);
    this.collect = undefined;
    if (this.held) return;
    const receipt: Receipt = { messageType: 'receipt' };
    if (this.upTo > this.said || this.again) receipt.upTo = this.upTo;
    if (this.ids.size > 0) receipt.messageIDs = [...this.ids];
    this.again = false;
    this.ids.clear();
    if (receipt.upTo === undefined && receipt.messageIDs === undefined) return;
    this.said = this.upTo;
    this.send(receipt);
    if (this.confirmed < this.said) this.repeat ??= setTimeout(() => this.remind(), this.timings.confirmMs);
  }

  close(): void {
    clearTimeout(this.collect);
    clearTimeout(this.repeat);
    this.collect = this.repeat = undefined;
    this.again = false;
    this.ids.clear();
  }

  private schedule(): void {
    this.collect ??= setTimeout(() => this.flush(), this.timings.receiptMs);
  }

  private remind(): void {
    this.repeat = undefined;
    this.again = true;
    this.flush();
  }
}
