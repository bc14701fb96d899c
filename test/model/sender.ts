import {
  encodeLines,
  errorTable,
  isStored,
  subjects,
  type Send,
  type SendReceipt,
  type StoredReceipt,
} from '@huizhi/protocol';
import type { FaultyBus } from './faulty-bus.js';

/** A message on its way into a lane, with the answers to it. */
export interface Sent {
  readonly session: Sender;
  readonly n: number;
  readonly conversation: string;
  /** All users of the conversation. */
  readonly users: readonly string[];
  readonly lane: number;
  readonly send: Send;
  readonly body: string;
  /** All receipts for the message; they must be equal. */
  readonly receipts: StoredReceipt[];
  readonly refusals: string[];
}

const AGAIN_MS = 40;
const BATCH = 5;

interface Lane {
  waiting: Sent[];
  unanswered: { number: number; sends: readonly Sent[]; timer: NodeJS.Timeout } | undefined;
}

/**
 * One session as lane owners see it: at most one unanswered batch per lane, repeated until it is answered. Messages
 * with a temporary error are sent again, before later ones of the lane.
 */
export class Sender {
  private readonly lanes = new Map<number, Lane>();
  /** Every batch that was ever sent: answers to old batches must be correct too. */
  private readonly batches = new Map<string, readonly Sent[]>();
  private count = 0;

  constructor(
    private readonly bus: FaultyBus,
    readonly gateway: string,
    readonly number: number,
    readonly user: string,
  ) {}

  offer(sent: Sent): void {
    const lane = this.lane(sent.lane);
    lane.waiting.push(sent);
    this.next(sent.lane, lane);
  }

  answered(laneNumber: number, number: number, receipts: readonly SendReceipt[]): void {
    const sends = this.batches.get(`${laneNumber} ${number}`);
    if (!sends) return;
    sends.forEach((sent, index) => note(sent, receipts[index]));
    const lane = this.lane(laneNumber);
    if (lane.unanswered?.number !== number) return;
    clearInterval(lane.unanswered.timer);
    lane.unanswered = undefined;
    lane.waiting.unshift(...sends.filter((sent) => sent.receipts.length === 0 && sent.refusals.length === 0));
    this.next(laneNumber, lane);
  }

  stop(): void {
    for (const { unanswered } of this.lanes.values()) clearInterval(unanswered?.timer);
  }

  private next(number: number, lane: Lane): void {
    if (lane.unanswered || lane.waiting.length === 0) return;
    const sends = lane.waiting.splice(0, BATCH);
    const batch = ++this.count;
    this.batches.set(`${number} ${batch}`, sends);
    const say = (): void => this.say(number, batch, sends);
    lane.unanswered = { number: batch, sends, timer: setInterval(say, AGAIN_MS) };
    say();
  }

  private say(lane: number, batch: number, sends: readonly Sent[]): void {
    const session = {
      session: this.number,
      lane,
      batch,
      user: this.user,
      device: 'phone',
      sends: sends.map((sent) => sent.send),
    };
    const bodies = sends.map((sent) => sent.body);
    this.bus.publish(subjects.send(lane), encodeLines({ gateway: this.gateway, sessions: [session] }, bodies));
  }

  private lane(number: number): Lane {
    let lane = this.lanes.get(number);
    if (!lane) this.lanes.set(number, (lane = { waiting: [], unanswered: undefined }));
    return lane;
  }
}

function note(sent: Sent, receipt: SendReceipt | undefined): void {
  if (!receipt) sent.refusals.push('a batch was answered partially');
  else if (isStored(receipt)) sent.receipts.push(receipt);
  else if (!errorTable[receipt.error].temporary) sent.refusals.push(receipt.error);
}
