import { numberAt } from './scan.js';
import type { DeliveryLine } from './delivery-line.js';
import type { LoadConnection, LoadFrame } from './load-connection.js';

const CONFIRM = '{"messageType":"receiptConfirm","inboxSeq":';

/** State that all members share: one sender's messages 1, 2, 3 … in one group. */
export interface GroupTraffic {
  line: DeliveryLine;
  /** Records the first arrival of message n at one more member. Returns the fault, if there is one. */
  delivered(n: number, seq: number): string | undefined;
  fault(what: string): void;
}

/** A member that only receives. It checks order and completeness, and receipts. */
export class GroupMember {
  received = 0;
  private head = 0;
  private said = 0;
  private confirmed = 0;

  constructor(
    private readonly user: string,
    readonly connection: LoadConnection,
    private readonly talk: GroupTraffic,
  ) {
    connection.onLine = (text, start, end) => this.scan(text, start, end);
    connection.onFrame = (frame) => this.read(frame);
    connection.onLost = (why) => talk.fault(`${user}: ${why}`);
  }

  get confirmedAll(): boolean {
    return this.said === this.head && this.confirmed >= this.head;
  }

  sayReceipts(): void {
    if (this.head === this.said) return;
    this.said = this.head;
    this.connection.send(`{"messageType":"receipt","upTo":${this.head}}`);
  }

  private scan(text: string, start: number, end: number): boolean {
    const { line } = this.talk;
    if (line.take(text, start, end)) {
      if (this.isNext(line.inboxSeq, line.previous)) this.deliver(line.n, line.seq);
      return true;
    }
    if (!text.startsWith(CONFIRM, start)) return false;
    this.confirmed = numberAt(text, start + CONFIRM.length);
    return true;
  }

  private read(frame: LoadFrame | LoadFrame[]): void {
    for (const entry of Array.isArray(frame) ? frame : [frame]) {
      if (entry.messageType === 'receiptConfirm') this.confirmed = entry.inboxSeq as number;
      if (entry.inboxSeq === undefined || entry.messageID === undefined) continue;
      const inboxSeq = entry.inboxSeq as number;
      const again = !this.isNext(inboxSeq, (entry.prevInboxSeq as number | undefined) ?? inboxSeq - 1);
      if (entry.contenType !== 'text' || again) continue;
      // A message that the line reader did not accept, or one of a batch.
      const { text } = entry.content as { text?: string };
      const n = Number(entry.clientMsgID);
      if (!this.talk.line.says(n, String(entry.fromUserID), String(text))) {
        this.fault(`${String(entry.clientMsgID)} of ${String(entry.fromUserID)} is not what was sent`);
      }
      this.deliver(n, entry.seq as number);
    }
  }

  /** Whether the entry is new. A repeated entry is receipted again. */
  private isNext(inboxSeq: number, previous: number): boolean {
    if (inboxSeq <= this.head) {
      this.said = Math.min(this.said, this.head - 1);
      return false;
    }
    if (previous > this.head) this.fault(`the inbox has a hole between ${this.head} and ${inboxSeq}`);
    this.head = inboxSeq;
    return true;
  }

  private deliver(n: number, seq: number): void {
    if (n !== this.received + 1) {
      this.fault(n <= this.received ? `${n} came twice` : `${n} came when ${this.received + 1} was due`);
      if (n <= this.received) return;
    }
    this.received = n;
    const wrong = this.talk.delivered(n, seq);
    if (wrong !== undefined) this.fault(wrong);
  }

  private fault(what: string): void {
    this.talk.fault(`${this.user}: ${what}`);
  }
}
