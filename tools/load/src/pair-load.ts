import { setTimeout as delay } from 'node:timers/promises';
import { keepBeating } from './heartbeats.js';
import { cpuSnapshot, cpuUse, round, type CpuUse } from './cpu.js';
import { conversationFaults, Direction } from './pair-direction.js';
import { Latency, type Percentiles } from './latency.js';
import type { LoadConnection } from './load-connection.js';
import { sendOnTime } from './pacer.js';
import { PairSession, type Meter } from './pair-session.js';
import type { LoadedSystem } from './system.js';

const RECEIPT_MS = 20;
const SETTLE_MS = 30_000;

export interface PairPlan {
  /** Messages per second of all sessions together. */
  rate: number;
  warmUp: number;
  seconds: number;
}

/** Results for the messages due in the measured time. */
export interface Measured {
  /** Deliveries per second within the measured time, including messages that were due before. */
  reached: number;
  settledIn: number;
  receipts: Percentiles;
  deliveries: Percentiles;
  lateness: Percentiles;
  cpu: CpuUse;
}

/** Pairs of sessions: n sends to n^1. Their number may grow between measurements. */
export class PairLoad implements Meter {
  /** Number of temporary errors; each caused a resend. */
  refusals = 0;
  private readonly sessions: PairSession[] = [];
  private readonly connections: LoadConnection[] = [];
  private readonly stopBeating: () => void;
  private anyLost = false;
  private owing: PairSession[] = [];
  private receipts = new Latency();
  private deliveries = new Latency();
  private lateness = new Latency();
  private from = Infinity;
  private to = Infinity;
  private deliveredInTime = 0;

  constructor(
    private readonly system: LoadedSystem,
    private readonly bytes: number,
  ) {
    this.stopBeating = keepBeating(this.connections);
  }

  /** @param total an even number of sessions */
  async growTo(total: number): Promise<void> {
    const there = this.sessions.length;
    const name = (n: number): string => this.system.user(n);
    await this.system.logInAll(there, total, (connection, n) => {
      const to = name(n ^ 1);
      this.connections.push(connection);
      this.sessions[n] = new PairSession(name(n), to, new Direction(`${name(n)} to ${to}`), this.bytes, connection);
    });
    for (let n = there; n < total; n++) this.introduce(this.session(n), this.session(n ^ 1));
  }

  /** Sends at the given rate, session by session, and waits until all messages have settled. */
  async measure({ rate, warmUp, seconds }: PairPlan): Promise<Measured> {
    const start = performance.now();
    this.begin(start + warmUp * 1000, seconds);
    const receipting = setInterval(() => this.sayReceipts(), RECEIPT_MS);
    try {
      const sending = sendOnTime({
        rate,
        from: start,
        to: this.to,
        send: (k, intended) => this.session(k % this.sessions.length).send(intended),
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
      return {
        reached: round(reached / seconds),
        settledIn: await this.settle(),
        receipts: this.receipts.percentiles,
        deliveries: this.deliveries.percentiles,
        lateness: this.lateness.percentiles,
        cpu: cpuUse(before, after, reached),
      };
    } finally {
      clearInterval(receipting);
    }
  }

  total(of: (way: Direction) => number): number {
    return this.sessions.reduce((sum, { out }) => sum + of(out), 0);
  }

  /** All faults of the messages sent so far. */
  faults(): string[] {
    const faults = this.system.faults;
    for (const { user, lost, head, confirmed } of this.sessions) {
      if (lost !== undefined) faults.push(`${user}: ${lost}`);
      if (confirmed < head) faults.push(`${user}: receipts confirmed up to ${confirmed} of ${head}`);
    }
    for (let n = 0; n < this.sessions.length; n += 2) {
      faults.push(...conversationFaults(this.session(n).out, this.session(n + 1).out));
    }
    return faults;
  }

  close(): void {
    this.stopBeating();
    // After a failed login some sessions are missing.
    for (const session of this.sessions.filter(Boolean)) session.close();
    for (const connection of this.connections) connection.close();
  }

  receipted(intended: number): void {
    if (intended >= this.from && intended < this.to) this.receipts.record(performance.now() - intended);
  }

  delivered(intended: number): void {
    const now = performance.now();
    if (now >= this.from && now < this.to) this.deliveredInTime++;
    if (intended >= this.from && intended < this.to) this.deliveries.record(now - intended);
  }

  refused(): void {
    this.refusals++;
  }

  lost(): void {
    this.anyLost = true;
  }

  owes(session: PairSession): void {
    this.owing.push(session);
  }

  private begin(from: number, seconds: number): void {
    this.from = from;
    this.to = from + seconds * 1000;
    this.deliveredInTime = 0;
    this.receipts = new Latency();
    this.deliveries = new Latency();
    this.lateness = new Latency();
  }

  private introduce(session: PairSession, other: PairSession): void {
    session.other = other;
    session.meter = this;
  }

  private session(n: number): PairSession {
    return this.sessions[n] as PairSession;
  }

  private sayReceipts(): void {
    const owing = this.owing;
    this.owing = [];
    for (const session of owing) session.sayReceipts();
  }

  /** Waits until every message is receipted, delivered and confirmed. Returns the time taken in milliseconds. */
  private async settle(): Promise<number> {
    const from = performance.now();
    while (!this.broken && performance.now() - from < SETTLE_MS) {
      if (this.sessions.every((session) => session.done)) break;
      await delay(10);
    }
    return round(performance.now() - from);
  }

  private get broken(): boolean {
    return this.anyLost || this.system.crash !== undefined;
  }
}
