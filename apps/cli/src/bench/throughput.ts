import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSnapshot, cpuUse, round } from './cpu.js';
import { conversationFaults, Direction } from './direction.js';
import { Latency } from './latency.js';
import type { BenchOptions, Mode } from './options.js';
import { PairSession, type Meter } from './pair-session.js';
import type { BenchResult } from './report.js';
import { inParallel, type LoadedSystem } from './system.js';

const TICK_MS = 1;
const RECEIPT_MS = 20;
const BEAT_MS = 15_000;
const SETTLE_MS = 30_000;

/**
 * Open loop: message k is due at start + k / rate whether or not the system keeps up, and its latency counts from then.
 * Sessions talk in pairs, in turn.
 */
export const throughput: Mode = {
  description: 'pairs of sessions talk at a fixed rate (open loop): latency of both receipts, CPU per message',
  defaults: { sessions: 200, rate: 2000, warmUp: 5, seconds: 20, bytes: 250 },
  gatewayEnv: ({ rate, sessions }) => ({ FRAMES_PER_SECOND: String(Math.max(100, Math.ceil((2 * rate) / sessions))) }),
  async run(system, options, print) {
    if (options.sessions % 2 !== 0) throw new Error('--sessions: must be even, sessions talk in pairs');
    const run = new Run(system, options);
    try {
      await run.logIn();
      print(
        `· ${options.sessions} sessions; ${options.warmUp} s warm-up, then ${options.seconds} s at ${options.rate}/s`,
      );
      return await run.measure();
    } finally {
      run.close();
    }
  },
};

class Run implements Meter {
  private sessions: PairSession[] = [];
  private readonly receipts = new Latency();
  private readonly deliveries = new Latency();
  private readonly lateness = new Latency();
  private readonly refusals: Record<string, number> = {};
  private from = Infinity;
  private to = Infinity;
  private deliveredInWindow = 0;

  constructor(
    private readonly system: LoadedSystem,
    private readonly options: BenchOptions,
  ) {}

  async logIn(): Promise<void> {
    const { sessions, bytes } = this.options;
    const name = (n: number): string => this.system.user(n);
    this.sessions = await inParallel(sessions, 16, async (n) => {
      const to = name(n ^ 1);
      const { connection } = await this.system.login(name(n));
      return new PairSession(name(n), to, new Direction(`${name(n)} to ${to}`), bytes, connection, this);
    });
    this.sessions.forEach((session, n) => (session.other = this.sessions[n ^ 1] as PairSession));
  }

  async measure(): Promise<BenchResult> {
    const { warmUp, seconds } = this.options;
    const start = performance.now();
    this.from = start + warmUp * 1000;
    this.to = this.from + seconds * 1000;
    const loop = monitorEventLoopDelay({ resolution: 10 });
    const receipting = setInterval(() => this.sessions.forEach((session) => session.sayReceipts()), RECEIPT_MS);
    const beating = setInterval(() => this.sessions.forEach((session) => session.beat()), BEAT_MS);
    try {
      const sending = this.sendAll(start);
      await delay(this.from - performance.now());
      loop.enable();
      const before = cpuSnapshot(this.system.parts);
      await delay(this.to - performance.now());
      const after = cpuSnapshot(this.system.parts);
      const reached = this.deliveredInWindow;
      loop.disable();
      await sending;
      const settledIn = await this.settle();
      const lag = { p99: round(loop.percentile(99) / 1e6 - 10), max: round(loop.max / 1e6 - 10) };
      return this.result(reached, cpuUse(before, after, reached), settledIn, lag);
    } finally {
      clearInterval(receipting);
      clearInterval(beating);
    }
  }

  close(): void {
    for (const session of this.sessions) session.close();
  }

  receipted(intended: number): void {
    if (intended >= this.from && intended < this.to) this.receipts.record(performance.now() - intended);
  }

  delivered(intended: number): void {
    const now = performance.now();
    if (now >= this.from && now < this.to) this.deliveredInWindow++;
    if (intended >= this.from && intended < this.to) this.deliveries.record(now - intended);
  }

  refused(name: string): void {
    this.refusals[name] = (this.refusals[name] ?? 0) + 1;
  }

  private async sendAll(start: number): Promise<void> {
    const perMs = this.options.rate / 1000;
    for (let k = 0; ;) {
      const now = Math.min(performance.now(), this.to);
      for (; start + k / perMs < now; k++) {
        const intended = start + k / perMs;
        this.sessions[k % this.sessions.length]?.send(intended);
        if (intended >= this.from) this.lateness.record(performance.now() - intended);
      }
      if (now >= this.to || this.broken) return;
      await delay(TICK_MS);
    }
  }

  /** Waits until everything is receipted, delivered and confirmed; says how long that took, in milliseconds. */
  private async settle(): Promise<number> {
    const from = performance.now();
    while (!this.broken && performance.now() - from < SETTLE_MS) {
      if (this.sessions.every((session) => session.done)) break;
      await delay(10);
    }
    return round(performance.now() - from);
  }

  private get broken(): boolean {
    return this.system.crash !== undefined || this.sessions.some(({ lost }) => lost !== undefined);
  }

  private result(
    reached: number,
    cpu: BenchResult['cpu'],
    settledIn: number,
    lag: { p99: number; max: number },
  ): BenchResult {
    const { sessions, rate, seconds, warmUp, bytes } = this.options;
    const total = (of: (way: Direction) => number): number => this.sessions.reduce((sum, { out }) => sum + of(out), 0);
    return {
      mode: 'throughput',
      faults: this.faults(),
      figures: {
        sessions,
        'message bytes': bytes,
        'rate asked (msg/s)': rate,
        'rate reached (msg/s)': round(reached / seconds),
        'measured (s)': seconds,
        'warm-up (s)': warmUp,
        'sent in all': total((way) => way.sent),
        'receipted in all': total((way) => way.receipted),
        'delivered in all': total((way) => way.delivered),
        'delivered again': total((way) => way.redelivered),
        'temporary refusals': JSON.stringify(this.refusals),
        'settled after the end (ms)': settledIn,
        'generator event loop (ms)': `p99 ${lag.p99}, max ${lag.max}`,
      },
      latencies: {
        'sender receipt': this.receipts.percentiles,
        'end-to-end delivery': this.deliveries.percentiles,
        'generator behind its plan': this.lateness.percentiles,
      },
      cpu,
      unit: 'message',
    };
  }

  private faults(): string[] {
    const faults = this.system.crash === undefined ? [] : [this.system.crash];
    for (const { user, lost, head, confirmed } of this.sessions) {
      if (lost !== undefined) faults.push(`${user}: ${lost}`);
      if (confirmed < head) faults.push(`${user}: receipts confirmed up to ${confirmed} of ${head}`);
    }
    for (let n = 0; n + 1 < this.sessions.length; n += 2) {
      const [one, other] = [this.sessions[n], this.sessions[n + 1]];
      if (one && other) faults.push(...conversationFaults(one.out, other.out));
    }
    return faults;
  }
}
