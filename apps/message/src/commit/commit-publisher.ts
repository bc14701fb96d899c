import {
  deliveryText,
  encodeLines,
  eventHeadBytes,
  MAX_BUS_BYTES,
  subjects,
  type LaneEvent,
  type MembershipChange,
  type CommittedEvents,
  type CommittedRun,
  type ReceiptBatch,
  type SendReceipt,
  type SessionAnswer,
} from '@huizhi/protocol';
import { failpointAsync, type Bus } from '@huizhi/runtime';
import { type LaneKeeper } from '@huizhi/database';
import type { EventRow } from '../sql/append.js';
import type { Outcome } from './lane-writer.js';
import { sendsSettled } from './metrics.js';
import type { CommitPlan } from './plan.js';
import type { SendBatchTask } from './send-batch-task.js';

/** Limit of answers per bus message, so that it stays far below the limit of the bus. */
const MAX_ANSWERS = 2000;

/** Publishes receipts to gateways and committed events to the offline service. Call `publish` only after the commit. */
export class CommitPublisher {
  constructor(
    private readonly bus: Bus,
    private readonly keeper: LaneKeeper,
  ) {}

  /** Publishes receipts first, one message per gateway, then the committed events. */
  async publish(tasks: readonly SendBatchTask[], outcomes: readonly Outcome[]): Promise<void> {
    for (const outcome of outcomes) settle(outcome);
    this.answer(tasks);
    // Awaits only an armed failpoint: what is published in one turn is one write to the bus.
    const pause = failpointAsync('message.after-receipts');
    if (pause) await pause;
    for (const outcome of outcomes) if (outcome.kind === 'committed') this.publishEvents(outcome.plan);
  }

  refuse(tasks: readonly SendBatchTask[], receipt: SendReceipt): void {
    for (const task of tasks) for (const queued of task.sends) task.settle(queued, receipt);
    this.answer(tasks);
  }

  /** Publishes the answers of settled tasks: one bus message per gateway and MAX_ANSWERS answers. */
  answer(tasks: readonly SendBatchTask[]): void {
    const gateways = new Map<string, SessionAnswer[]>();
    for (const task of tasks) {
      const answer = task.answer();
      if (!answer) continue;
      const answers = gateways.get(task.gateway);
      if (answers) answers.push(answer);
      else gateways.set(task.gateway, [answer]);
    }
    for (const [gateway, answers] of gateways) {
      for (let from = 0; from < answers.length; from += MAX_ANSWERS) {
        const batch: ReceiptBatch = { answers: answers.slice(from, from + MAX_ANSWERS) };
        this.bus.publish(subjects.receipts(gateway), JSON.stringify(batch));
      }
    }
  }

  private publishEvents(plan: CommitPlan): void {
    const changes = new Map(plan.effects.map(({ row, change }) => [row, change]));
    let message = new CommittedEventsMessage();
    for (const row of [...plan.rows].sort((a, b) => a.lane - b.lane || a.position - b.position)) {
      const epoch = this.keeper.held(row.lane)?.epoch ?? 0;
      if (message.add(row, epoch, changes.get(row))) continue;
      this.bus.publish(subjects.committed, message.encode());
      message = new CommittedEventsMessage();
      message.add(row, epoch, changes.get(row));
    }
    if (plan.rows.length > 0) this.bus.publish(subjects.committed, message.encode());
  }
}

/** Builder of one bus message of committed events. */
class CommittedEventsMessage {
  private readonly runs: CommittedRun[] = [];
  private readonly bodies: string[] = [];
  private bytes = 0;

  /** @returns false when the event does not fit; the first event always fits */
  add(row: EventRow, epoch: number, change: MembershipChange | undefined): boolean {
    const delivery = deliveryText(row, row.body);
    const event = eventOf(row, change);
    const cost = Buffer.byteLength(delivery) + eventHeadBytes(event);
    if (this.bytes > 0 && this.bytes + cost > MAX_BUS_BYTES) return false;
    this.bytes += cost;
    this.bodies.push(delivery);
    const last = this.runs.at(-1);
    if (last?.lane === row.lane) last.events.push(event);
    else this.runs.push({ lane: row.lane, epoch, events: [event] });
    return true;
  }

  encode(): string {
    const head: CommittedEvents = { runs: this.runs };
    return encodeLines(head, this.bodies);
  }
}

function eventOf(row: EventRow, change: MembershipChange | undefined): LaneEvent {
  const { position, conversation, seq, serverTime, user, device, peer } = row;
  const pair = peer === null ? undefined : peer === user ? [user] : [user, peer];
  return { position, conversation, seq, serverTime, user, device, ...(pair && { pair }), ...(change && { change }) };
}

function settle(outcome: Outcome): void {
  switch (outcome.kind) {
    case 'committed':
      for (const { queued, receipt } of outcome.plan.settled) {
        queued.task.settle(queued, receipt);
        sendsSettled.inc({ result: 'error' in receipt ? 'refused' : 'stored' });
      }
      return;
    case 'refused':
      for (const queued of outcome.sends) queued.task.settle(queued, outcome.receipt);
      sendsSettled.inc({ result: 'refused' }, outcome.sends.length);
      return;
    case 'silent':
      sendsSettled.inc({ result: 'silent' }, outcome.sends.length);
  }
}
