import type { Direction } from './pair-direction.js';
import type { LoadConnection, LoadFrame } from './load-connection.js';
import { DeliveryLine, padding } from './delivery-line.js';
import { numberAfter, numberAt } from './scan.js';

const RESEND_MS = 250;
const RECEIPT = '{"messageType":"normalReceipt"';
const CONFIRM = '{"messageType":"receiptConfirm","inboxSeq":';

/** Receives first receipts and first deliveries, with the intended send time. */
export interface Meter {
  receipted(intended: number): void;
  delivered(intended: number): void;
  /** A temporary error; the refused message is sent again. */
  refused(): void;
  /** The connection has ended. */
  lost(): void;
  /** The session has its first unreceipted delivery since its last receipt. */
  owes(session: PairSession): void;
}

/** One session of a pair: it sends in one direction, receives in the other, and receipts its deliveries. */
export class PairSession {
  other!: PairSession;
  lost: string | undefined;
  head = 0;
  confirmed = 0;
  meter!: Meter;
  private said = 0;
  private resend: NodeJS.Timeout | undefined;
  private readonly before: string;
  private readonly padding: string;
  private readonly line: DeliveryLine;

  /** @param bytes approximate size of one message frame; the digits of its numbers vary */
  constructor(
    readonly user: string,
    to: string,
    readonly out: Direction,
    bytes: number,
    readonly connection: LoadConnection,
  ) {
    this.before = `{"messageType":"normal","chatType":"userChat","contenType":"text","toUserID":"${to}","clientMsgID":"`;
    // Both sessions of a pair use the same text length, because each checks the other's text.
    const longer = Math.max(user.length, to.length) - to.length;
    const fixed = this.before.length + longer + '1234567","content":{"text":"1234567 "}}'.length;
    this.padding = padding(bytes, fixed);
    this.line = new DeliveryLine(to, this.padding);
    connection.onLine = (text, start, end) => this.scan(text, start, end);
    connection.onFrame = (frame) => this.read(frame);
    connection.onLost = (why) => {
      this.lost = why;
      this.meter.lost();
    };
  }

  /** Sends the next message, which was due at `intended`. While a resend is pending, the message waits for it. */
  send(intended: number): void {
    const n = this.out.begin(intended);
    if (!this.resend) this.connection.send(this.frame(n));
  }

  /** Receipts all deliveries since the last receipt, in one frame. */
  sayReceipts(): void {
    if (this.head === this.said) return;
    this.said = this.head;
    this.connection.send(`{"messageType":"receipt","upTo":${this.head}}`);
  }

  get done(): boolean {
    return this.out.settled && this.confirmed >= this.head && this.said === this.head;
  }

  close(): void {
    clearTimeout(this.resend);
    this.connection.close();
  }

  private frame(n: number): string {
    return `${this.before}${n}","content":{"text":"${n}${this.padding}"}}`;
  }

  /**
   * Handles the three most frequent frames in their usual form without parsing. Returns false for others, which go to
   * `read`.
   */
  private scan(text: string, start: number, end: number): boolean {
    const line = this.line;
    if (line.take(text, start, end)) {
      this.deliver(line.inboxSeq, line.previous, line.n, line.seq);
      return true;
    }
    if (text.startsWith(RECEIPT, start)) {
      const n = numberAfter(text, '"clientMsgID":"', start, end);
      const seq = numberAfter(text, '"seq":', start, end);
      if (n < 0 || seq < 0) return false;
      this.receipt(n, seq);
      return true;
    }
    if (!text.startsWith(CONFIRM, start)) return false;
    this.confirmed = numberAt(text, start + CONFIRM.length);
    return true;
  }

  private read(frame: LoadFrame | LoadFrame[]): void {
    if (Array.isArray(frame)) {
      for (const entry of frame) this.readDelivery(entry);
      return;
    }
    switch (frame.messageType) {
      case 'normal':
        return this.readDelivery(frame);
      case 'normalReceipt':
        return this.receipt(Number(frame.clientMsgID), frame.seq as number);
      case 'receiptConfirm':
        this.confirmed = frame.inboxSeq as number;
        return;
      case 'invalidReceipt':
        return this.out.fault(`${String(frame.clientMsgID)} was refused: ${String(frame.name)}`);
      case 'error':
        this.meter.refused();
        this.resendSoon();
    }
  }

  private readDelivery(entry: LoadFrame): void {
    const { inboxSeq, prevInboxSeq, fromUserID, clientMsgID, seq, content } = entry;
    const { text } = content as { text?: string };
    const n = Number(clientMsgID);
    if (!this.line.says(n, String(fromUserID), String(text))) {
      const what = `${String(clientMsgID)} of ${String(fromUserID)} came to ${this.user}`;
      this.other.out.fault(`${what} and is not what was sent: ${String(text).slice(0, 40)}`);
    }
    this.deliver(
      inboxSeq as number,
      (prevInboxSeq as number | undefined) ?? (inboxSeq as number) - 1,
      n,
      seq as number,
    );
  }

  private receipt(n: number, seq: number): void {
    const intended = this.out.receipt(n, seq);
    if (intended !== undefined) this.meter.receipted(intended);
  }

  private deliver(inboxSeq: number, previous: number, n: number, seq: number): void {
    const way = this.other.out;
    if (this.head === this.said) this.meter.owes(this);
    if (inboxSeq <= this.head) {
      way.again(n, seq);
      // The entry is receipted again.
      this.said = Math.min(this.said, this.head - 1);
      return;
    }
    if (previous > this.head) way.fault(`the inbox has a hole between ${this.head} and ${inboxSeq}`);
    this.head = inboxSeq;
    const intended = way.deliver(n, seq);
    if (intended !== undefined) this.meter.delivered(intended);
  }

  /** After a temporary error and a pause, resends all unreceipted messages in order. */
  private resendSoon(): void {
    this.resend ??= setTimeout(() => {
      this.resend = undefined;
      for (let n = 1; n <= this.out.sent; n++) {
        if (this.out.receiptSeq[n] === undefined) this.connection.send(this.frame(n));
      }
    }, RESEND_MS);
  }
}
