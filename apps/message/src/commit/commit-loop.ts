import { setTimeout as wait } from 'node:timers/promises';
import { subjects, type SendReceipt } from '@huizhi/protocol';
import { rateLimited, type Bus, type BusSubscription, type Logger } from '@huizhi/runtime';
import { type HeldLane, type LaneKeeper, type LossReason } from '@huizhi/database';
import type { SendQueue } from './send-queue.js';
import type { LaneWriter } from './lane-writer.js';
import { commitSeconds, commitSends } from './metrics.js';
import type { CommitPublisher } from './commit-publisher.js';
import type { SendBatchTask } from './send-batch-task.js';

const MAX_SENDS_PER_COMMIT = 500;

/** Limit of gateways with a wrong lane count that the log names. */
const MAX_MISCONFIGURED_GATEWAYS = 100;

const UNAVAILABLE: SendReceipt = { error: 'unavailable', reason: 'the message service is temporarily unavailable' };

/**
 * Moves sends from the lane subjects through SendQueue into one transaction, then publishes receipts and committed
 * events. One loop serves all lanes of the instance.
 */
export class CommitLoop {
  /** Gateways with a wrong lane count that were logged already. */
  private readonly misconfiguredGateways = new Set<string>();
  private readonly subscriptions = new Map<number, BusSubscription>();
  /** Lanes lost with the database. Their subscriptions stay, so that senders get `unavailable` at once. */
  private readonly suspended = new Set<number>();
  private readonly log: Logger;
  private running = false;
  /** Lanes of the transaction in flight; `turnEnd` resolves when it ends. */
  private busy: ReadonlySet<number> = new Set();
  private turnEnd: Promise<void> = Promise.resolve();

  constructor(
    private readonly bus: Bus,
    readonly keeper: LaneKeeper,
    private readonly writer: LaneWriter,
    private readonly commitPublisher: CommitPublisher,
    private readonly sendQueue: SendQueue,
    log: Logger,
    /**
     * Minimum interval between the starts of two transactions under load, in milliseconds; none after an idle period.
     */
    private readonly minIntervalMs: number,
  ) {
    this.log = rateLimited(log);
  }

  /** Subscribes to the subject of this instance until the process ends. Each lane has its own subject. */
  listen(instance: string): void {
    this.bus.subscribe(subjects.sendTo(instance), this.accept);
  }

  /** Number of sends that wait for a transaction. */
  get waiting(): number {
    return this.sendQueue.size;
  }

  lanesTaken(lanes: readonly HeldLane[]): void {
    for (const { lane } of lanes) {
      this.suspended.delete(lane);
      if (this.subscriptions.has(lane)) continue;
      this.subscriptions.set(lane, this.bus.subscribe(subjects.send(lane), this.accept));
    }
  }

  lanesLost(lanes: readonly number[], reason: LossReason): void {
    for (const lane of lanes) {
      if (reason === 'database') this.suspended.add(lane);
      else this.leave(lane);
    }
  }

  /** Unsubscribes from these lanes and resolves when their queued sends are answered. */
  async finish(lanes: readonly number[]): Promise<void> {
    for (const lane of lanes) this.leave(lane);
    const wanted = new Set(lanes);
    while (this.sendQueue.waitsFor(wanted) || lanes.some((lane) => this.busy.has(lane))) {
      await this.turnEnd;
      // Between two transactions `turnEnd` is resolved already: without this pause the event loop would not continue.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private leave(lane: number): void {
    this.suspended.delete(lane);
    this.subscriptions.get(lane)?.unsubscribe();
    this.subscriptions.delete(lane);
  }

  private readonly isServed = (lane: number): boolean => this.subscriptions.has(lane);

  private readonly accept = (payload: Uint8Array): void => {
    const { overflow, misplaced, decided } = this.sendQueue.accept(payload, this.isServed);
    if (decided.length > 0) this.commitPublisher.answer(decided);
    if (overflow.length > 0) this.commitPublisher.refuse(overflow, UNAVAILABLE);
    if (misplaced.length > 0) this.refuseMisplaced(misplaced);
    if (this.running || this.sendQueue.size === 0) return;
    this.running = true;
    void this.run();
  };

  /** Answers `unavailable` and logs each gateway once; only a change of the gateway's configuration fixes this. */
  private refuseMisplaced(tasks: readonly SendBatchTask[]): void {
    this.commitPublisher.refuse(tasks, UNAVAILABLE);
    for (const { gateway, lane } of tasks) {
      if (this.misconfiguredGateways.has(gateway) || this.misconfiguredGateways.size === MAX_MISCONFIGURED_GATEWAYS)
        continue;
      this.misconfiguredGateways.add(gateway);
      const hint = 'set HZ_MESSAGE_LANES of the gateway to the value of this service';
      this.log.error('send.wrong-lane', { gateway, lane, hint });
    }
  }

  private async run(): Promise<void> {
    // Sends that arrive in this turn of the event loop belong to the first transaction.
    this.turnEnd = new Promise((resolve) => setImmediate(resolve));
    await this.turnEnd;
    while (this.sendQueue.size > 0) {
      const started = performance.now();
      const tasks = this.sendQueue.take(MAX_SENDS_PER_COMMIT);
      this.busy = new Set(tasks.map((task) => task.lane));
      this.turnEnd = this.keeper.turn(() => this.turn(tasks));
      await this.turnEnd;
      this.sendQueue.decided(tasks);
      this.busy = new Set();
      const left = this.minIntervalMs - (performance.now() - started);
      if (left > 0.5 && this.sendQueue.size > 0) await wait(left);
      // With a fast database the loop must still yield, so that the bus can deliver new sends.
      else await new Promise((resolve) => setImmediate(resolve));
    }
    this.running = false;
  }

  private async turn(tasks: SendBatchTask[]): Promise<void> {
    const stranded = tasks.filter(({ lane }) => this.suspended.has(lane) && !this.keeper.held(lane));
    const others = tasks.filter((task) => !stranded.includes(task));
    this.commitPublisher.refuse(stranded, UNAVAILABLE);
    const sends = others.flatMap((task) => task.sends);
    if (sends.length === 0) return;
    const stop = commitSeconds.startTimer();
    try {
      await this.commitPublisher.publish(others, await this.writer.store(sends));
    } catch (error) {
      // Answer nothing: the gateways repeat their batches.
      this.log.error('commit.turn-failed', { error });
    }
    stop();
    commitSends.observe(sends.length);
  }
}
