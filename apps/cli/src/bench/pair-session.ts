import { type Direction } from './direction.js';
import type { LoadConnection, LoadFrame } from './load-connection.js';

const RESEND_MS = 250;

/** Told about first receipts and first deliveries, with the intended send time. */
export interface Meter {
  receipted(intended: number): void;
  delivered(intended: number): void;
  refused(name: string): void;
}

/** One session of a pair: sends one direction, receives the other, receipts what it gets. */
export class PairSession {
  other!: PairSession;
  lost: string | undefined;
  head = 0;
  confirmed = 0;
  private said = 0;
  private resend: NodeJS.Timeout | undefined;
  private readonly before: string;
  private readonly padding: string;

  constructor(
    readonly user: string,
    to: string,
    readonly out: Direction,
    bytes: number,
    private readonly connection: LoadConnection,
    private readonly meter: Meter,
  ) {
    this.before = `{"messageType":"normal","chatType":"userChat","contenType":"text","toUserID":"${to}","clientMsgID":"`;
    const fixed = this.before.length + '1234567","content":{"text":"1234567 "}}'.length;
    this.padding = 'x'.repeat(Math.max(1, bytes - fixed));
    connection.onFrame = (frame) => this.read(frame);
    connection.onLost = (why) => (this.lost = why);
  }

  /** Sends the next message, which was due at `intended`. While earlier ones are to be sent again it waits behind them. */
  send(intended: number): void {
    const n = this.out.begin(intended);
    if (!this.resend) this.connection.send(this.text(n));
  }

  /** Receipts all that came since the last time, in one frame. */
  sayReceipts(): void {
    if (this.head === this.said) return;
    this.said = this.head;
    this.connection.send(`{"messageType":"receipt","upTo":${this.head}}`);
  }

  beat(): void {
    this.connection.send('{"beatID":"1"}');
  }

  get done(): boolean {
    return this.out.settled && this.confirmed >= this.head && this.said === this.head;
  }

  close(): void {
    clearTimeout(this.resend);
    this.connection.close();
  }

  private text(n: number): string {
    return `${this.before}${n}","content":{"text":"${n} ${this.padding}"}}`;
  }

  private read(frame: LoadFrame | LoadFrame[]): void {
    if (Array.isArray(frame)) {
      for (const entry of frame) this.deliver(entry);
      return;
    }
    switch (frame.messageType) {
      case 'normal':
        return this.deliver(frame);
      case 'normalReceipt': {
        const intended = this.out.receipt(Number(frame.clientMsgID), frame.seq as number);
        if (intended !== undefined) this.meter.receipted(intended);
        return;
      }
      case 'receiptConfirm':
        this.confirmed = frame.inboxSeq as number;
        return;
      case 'invalidReceipt':
        return this.out.fault(`${String(frame.clientMsgID)} was refused: ${String(frame.name)}`);
      case 'error':
        this.meter.refused(String(frame.name));
        this.resendSoon();
    }
  }

  private deliver(entry: LoadFrame): void {
    const inboxSeq = entry.inboxSeq as number;
    const way = this.other.out;
    if (inboxSeq <= this.head) {
      way.redelivered++;
      this.said = Math.min(this.said, this.head - 1);
      return;
    }
    const previous = (entry.prevInboxSeq as number | undefined) ?? inboxSeq - 1;
    if (previous > this.head) way.fault(`the inbox has a hole between ${this.head} and ${inboxSeq}`);
    this.head = inboxSeq;
    if (entry.fromUserID !== this.other.user)
      return way.fault(`a message of ${String(entry.fromUserID)} came to ${this.user}`);
    const { text } = entry.content as { text: string };
    const intended = way.deliver(Number.parseInt(text, 10), entry.seq as number);
    if (intended !== undefined) this.meter.delivered(intended);
  }

  /** A temporary error: after a pause, everything unsettled of the conversation again, in order. */
  private resendSoon(): void {
    this.resend ??= setTimeout(() => {
      this.resend = undefined;
      for (let n = 1; n <= this.out.sent; n++) {
        if (this.out.receiptSeq[n] === undefined) this.connection.send(this.text(n));
      }
    }, RESEND_MS);
  }
}
