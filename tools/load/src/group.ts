import { setTimeout as delay } from 'node:timers/promises';
import { keepBeating } from './heartbeats.js';
import { cpuSnapshot, cpuUse, round } from './cpu.js';
import { DeliveryLine, padding } from './delivery-line.js';
import { GroupMember, type GroupTraffic } from './group-member.js';
import { Latency } from './latency.js';
import type { LoadConnection, LoadFrame } from './load-connection.js';
import type { Mode } from './mode.js';
import type { BenchOptions } from './options.js';
import { sendOnTime } from './pacer.js';
import type { Run } from './result.js';
import { numberAfter } from './scan.js';
import type { LoadedSystem } from './system.js';
import { ASKED, LATE, REACHED } from './validity.js';

/** Members collect receipts for this many milliseconds; with 20 ms nearly every delivery would cause a receipt. */
const RECEIPT_MS = 100;
const SETTLE_MS = 30_000;
const MADE_MS = 10_000;

/** Open loop: one member of a group sends at a fixed rate; all others receive, check and receipt. */
export const group: Mode = {
  description:
    'one sender to a group of --members at a fixed rate (open loop): deliveries per second, CPU per delivery',
  defaults: { members: 500, rate: 50, warmUp: 5, seconds: 15, bytes: 250 },
  unit: 'delivery',
  check: ({ members }) => (members >= 2 && members <= 501 ? undefined : '--members must be from 2 to 501'),
  gatewayEnv: ({ rate }) => ({ HZ_FRAMES_PER_SECOND: String(Math.max(100, 2 * rate)) }),
  async run(system, options, print) {
    const talk = new GroupLoad(system, options);
    try {
      await talk.gather();
      print(
        `· a group of ${options.members}; ${options.warmUp} s warm-up, then ${options.seconds} s at ${options.rate}/s`,
      );
      return await talk.measure();
    } finally {
      talk.close();
    }
  },
};

class GroupLoad implements GroupTraffic {
  readonly line: DeliveryLine;
  private readonly connections: LoadConnection[] = [];
  private readonly members: GroupMember[] = [];
  private readonly stopBeating = keepBeating(this.connections);
  private readonly text: string;
  private readonly sender: string;
  private before = '';
  private speaker!: LoadConnection;
  /** Index n = 1, 2, 3 … is the sender's number; index 0 is unused. */
  private readonly intended: number[] = [0];
  private readonly receiptSeq: number[] = [0];
  private readonly seq: number[] = [0];
  private receipted = 0;
  private from = Infinity;
  private to = Infinity;
  private deliveredInTime = 0;
  private readonly receipts = new Latency();
  private readonly deliveries = new Latency();
  private readonly lateness = new Latency();
  private readonly faults: string[] = [];

  constructor(
    private readonly system: LoadedSystem,
    private readonly options: BenchOptions,
  ) {
    this.sender = system.user(0);
    this.text = padding(options.bytes, 190);
    this.line = new DeliveryLine(this.sender, this.text);
  }

  async gather(): Promise<void> {
    const { members } = this.options;
    await this.system.logInAll(0, members, (connection, n) => {
      this.connections.push(connection);
      if (n === 0) this.speaker = connection;
      else this.members.push(new GroupMember(this.system.user(n), connection, this));
    });
    const memberUserIDs = Array.from({ length: members - 1 }, (_, n) => this.system.user(n + 1));
    const groupID = await this.make(memberUserIDs);
    this.before = `{"messageType":"normal","chatType":"groupChat","contenType":"text","groupID":"${groupID}","clientMsgID":"`;
    this.speaker.onLine = (text, start, end) => this.readReceipt(text, start, end);
    this.speaker.onFrame = (frame) => this.refused(frame);
    this.speaker.onLost = (why) => this.fault(`the sender: ${why}`);
  }

  async measure(): Promise<Run> {
    const { rate, warmUp, seconds, members } = this.options;
    const start = performance.now();
    this.from = start + warmUp * 1000;
    this.to = this.from + seconds * 1000;
    const receipting = setInterval(() => this.sayReceipts(), RECEIPT_MS);
    try {
      const sending = sendOnTime({
        rate,
        from: start,
        to: this.to,
        send: (_, intended) => this.send(intended),
        wrote: (intended, late) => {
          if (intended >= this.from) this.lateness.record(late);
        },
        broken: () => this.broken,
      });
      await delay(this.from - performance.now());
      const before = cpuSnapshot(this.system.parts);
      await delay(this.to - performance.now());
      const after = cpuSnapshot(this.system.parts);
      const reached = this.deliveredInTime;
      await sending;
      const settledIn = await this.settle();
      return {
        faults: this.faultsAtEnd(),
        figures: {
          [ASKED]: rate,
          [REACHED]: round(reached / seconds / (members - 1)),
          'deliveries/s': round(reached / seconds),
          'sent in all': this.sent,
          'delivered in all': this.members.reduce((sum, { received }) => sum + received, 0),
          'settled after the end (ms)': settledIn,
        },
        latencies: {
          'sender receipt': this.receipts.percentiles,
          'end-to-end delivery': this.deliveries.percentiles,
          [LATE]: this.lateness.percentiles,
        },
        cpu: cpuUse(before, after, reached),
      };
    } finally {
      clearInterval(receipting);
    }
  }

  close(): void {
    this.stopBeating();
    for (const connection of this.connections) connection.close();
  }

  delivered(n: number, seq: number): string | undefined {
    const intended = this.intended[n];
    if (intended === undefined) return `${n} arrived but was never sent`;
    const now = performance.now();
    if (now >= this.from && now < this.to) this.deliveredInTime++;
    if (intended >= this.from && intended < this.to) this.deliveries.record(now - intended);
    const known = (this.seq[n] ??= seq);
    return known === seq ? undefined : `${n} has seq ${seq} here and ${known} at another member`;
  }

  fault(what: string): void {
    if (this.faults.length < 100) this.faults.push(what);
  }

  private get sent(): number {
    return this.intended.length - 1;
  }

  private get broken(): boolean {
    return this.faults.length > 0 || this.system.crash !== undefined;
  }

  private make(memberUserIDs: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the group was not created in time')), MADE_MS);
      this.speaker.onFrame = (frame) => {
        if (Array.isArray(frame) || frame.clientMsgID !== 'make') return;
        clearTimeout(timer);
        if (frame.messageType === 'normalReceipt') resolve(String(frame.groupID));
        else reject(new Error(`the group was refused: ${String(frame.name)}`));
      };
      this.speaker.send(JSON.stringify({ messageType: 'createGroup', clientMsgID: 'make', memberUserIDs }));
    });
  }

  private send(intended: number): void {
    this.intended.push(intended);
    const n = this.sent;
    this.speaker.send(`${this.before}${n}","content":{"text":"${n}${this.text}"}}`);
  }

  private readReceipt(text: string, start: number, end: number): boolean {
    if (!text.startsWith('{"messageType":"normalReceipt"', start)) return false;
    const n = numberAfter(text, '"clientMsgID":"', start, end);
    const seq = numberAfter(text, '"seq":', start, end);
    const intended = this.intended[n];
    if (intended === undefined) return false;
    if (this.receiptSeq[n] === undefined) {
      this.receipted++;
      if (intended >= this.from && intended < this.to) this.receipts.record(performance.now() - intended);
    } else if (this.receiptSeq[n] !== seq) this.fault(`the receipt of ${n} changed`);
    this.receiptSeq[n] = seq;
    return true;
  }

  private refused(frame: LoadFrame | LoadFrame[]): void {
    if (Array.isArray(frame)) return;
    const refusal = frame.messageType === 'error' || frame.messageType === 'invalidReceipt';
    if (refusal) this.fault(`${String(frame.clientMsgID)} was refused: ${String(frame.name)}`);
  }

  private sayReceipts(): void {
    for (const member of this.members) member.sayReceipts();
  }

  private async settle(): Promise<number> {
    const from = performance.now();
    const settled = (): boolean =>
      this.receipted === this.sent &&
      this.members.every((member) => member.received === this.sent && member.confirmedAll);
    while (!this.broken && performance.now() - from < SETTLE_MS && !settled()) await delay(10);
    return round(performance.now() - from);
  }

  private faultsAtEnd(): string[] {
    const faults = [...this.system.faults, ...this.faults];
    const short = this.members.filter(({ received }) => received < this.sent).length;
    const unconfirmed = this.members.filter(({ confirmedAll }) => !confirmedAll).length;
    if (this.receipted < this.sent) faults.push(`${this.sent - this.receipted} messages were not receipted`);
    if (short > 0) faults.push(`${short} members did not receive all ${this.sent} messages`);
    if (unconfirmed > 0) faults.push(`the receipts of ${unconfirmed} members were not confirmed`);
    for (let n = 1; n <= this.sent; n++) {
      const [receipt, seq] = [this.receiptSeq[n], this.seq[n]];
      // Seq 1 is the tip that the group was created.
      if (receipt !== undefined && receipt !== n + 1) faults.push(`${n} was receipted with seq ${receipt}`);
      if (receipt !== undefined && seq !== undefined && receipt !== seq)
        faults.push(`${n} was delivered with seq ${seq}`);
    }
    return faults.slice(0, 100);
  }
}
