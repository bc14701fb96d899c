import { setMaxListeners } from 'node:events';
import type { LaneEvent, CommittedEvents } from '@huizhi/protocol';
import { seededBug } from '@huizhi/runtime';
import type { InboxLane } from '../commit/inbox-lane.js';
import { newsOutcomes } from '../metrics.js';
import { LaneQueue } from './lane-queue.js';
import { LaneRepair, type ReadRange } from './lane-repair.js';
import { Semaphore } from './semaphore.js';

export interface FeedOptions {
  messageLanes: number;
  readRange: ReadRange;
  /** Called when there is something new to apply. */
  onItems(): void;
}

/** How many lanes may read the log at the same time. */
const REPAIRS_AT_ONCE = 8;
/** How many events of a lane are looked at before their turn: more than are taken of it at once when all lanes are busy. */
const LOOK_AHEAD = 250;

/**
 * Turns news, which may be lost, doubled or late, into each held inbox lane's own sequence: every position of every
 * message lane exactly once, in order.
 *
 * An inbox lane that lacks exactly the position a run begins with takes the run; one that is ahead passes over what it
 * has; one that is behind has a hole, and the hole is read from the log, which is authoritative. Inbox lanes stand at
 * different positions only after a take-over, and those that are up to date do not wait for the others.
 */
export class Feed {
  private readonly held: (InboxLane | undefined)[] = [];
  private readonly queues: LaneQueue[];
  private readonly repairs: LaneRepair[];
  private readonly stopped = new AbortController();
  /** Which lane's turn it is to be first, so that a busy one cannot starve the others. */
  private turn = 0;

  constructor(private readonly options: FeedOptions) {
    const slots = new Semaphore(REPAIRS_AT_ONCE);
    // Each lane may be waiting on it.
    setMaxListeners(0, this.stopped.signal);
    const each = Array.from({ length: options.messageLanes }, (_, lane) => lane);
    this.queues = each.map(() => new LaneQueue());
    this.repairs = each.map(
      (lane) =>
        new LaneRepair({
          lane,
          slots,
          signal: this.stopped.signal,
          read: options.readRange,
          lowest: () => this.lowest(lane),
          roomy: () => this.queue(lane).roomy,
          take: (events, bodies) => this.take(lane, events, bodies),
        }),
    );
  }

  /** The lane's events are collected from its vector on. */
  add(lane: InboxLane): void {
    this.held[lane.lane] = lane;
  }

  remove(lane: InboxLane): void {
    if (this.held[lane.lane] === lane) this.held[lane.lane] = undefined;
  }

  /** Asks the log where every lane stands: after a take-over, and when the bus was away. */
  requestHeads(): void {
    for (const repair of this.repairs) repair.forceRead();
  }

  committed(head: CommittedEvents, bodies: readonly string[]): void {
    let line = 0;
    for (const { lane, events } of head.runs) {
      const end = line + events.length;
      const last = events.at(-1);
      const repair = this.repairs[lane];
      if (last && repair) {
        const whole = !this.queue(lane).full && this.take(lane, events, bodies, line);
        newsOutcomes.inc({ outcome: whole ? 'applied' : 'behind' });
        repair.headKnown(last.position);
      }
      line = end;
    }
  }

  /** A lane's owner says where it stands. One that has just `taken` it means that the message service is back. */
  headAnnounced(lane: number, head: number, taken = false): void {
    this.repairs[lane]?.headKnown(head);
    if (taken) this.repairs[lane]?.retryNow();
  }

  /** The queues that have something to apply, beginning with another one each time. */
  *waiting(): Generator<LaneQueue> {
    const first = this.turn++;
    for (let i = 0; i < this.queues.length; i++) {
      const queue = this.queue((first + i) % this.queues.length);
      if (queue.length > 0) yield queue;
    }
  }

  /** What will have to be applied, the next event of each lane first, then the second of each. */
  *ahead(): Generator<LaneEvent> {
    const depth = Math.min(LOOK_AHEAD, Math.max(...this.queues.map((queue) => queue.length)));
    for (let i = 0; i < depth; i++) {
      for (const queue of this.queues) {
        const item = queue.at(i);
        if (item) yield item.event;
      }
    }
  }

  /** The queues' beginnings have been applied. */
  applied(): void {
    for (const repair of this.repairs) repair.roomMade();
  }

  /** Events that are known to be behind us and not yet queued. */
  get lag(): number {
    return this.repairs.reduce((sum, repair) => sum + repair.lag, 0);
  }

  get length(): number {
    return this.queues.reduce((sum, queue) => sum + queue.length, 0);
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await Promise.all(this.repairs.map((repair) => repair.ended()));
  }

  /** The least position up to which events of the lane are queued; undefined while no inbox lane is held. */
  private lowest(lane: number): number | undefined {
    let lowest: number | undefined;
    for (const inbox of this.held) {
      const queued = inbox?.queued[lane];
      if (queued !== undefined && (lowest === undefined || queued < lowest)) lowest = queued;
    }
    return lowest;
  }

  /** Queues what is next for whom. False when some held inbox lane lacks something before these events. */
  private take(lane: number, events: readonly LaneEvent[], bodies: readonly string[], line = 0): boolean {
    const first = events[0]?.position ?? 0;
    const last = events.at(-1)?.position ?? 0;
    let whole = true;
    const takers: InboxLane[] = [];
    for (const inbox of this.held) {
      if (!inbox) continue;
      const next = (inbox.queued[lane] ?? 0) + 1;
      if (next < first && !seededBug('bug.cursor-reader')) whole = false;
      else if (next <= last) takers.push(inbox);
    }
    if (takers.length === 0) return whole;
    this.enqueue(lane, events, bodies, line, takers);
    for (const inbox of takers) inbox.queued[lane] = last;
    this.options.onItems();
    return whole;
  }

  private enqueue(
    lane: number,
    events: readonly LaneEvent[],
    bodies: readonly string[],
    line: number,
    takers: readonly InboxLane[],
  ): void {
    const queue = this.queue(lane);
    const joining = [...takers].sort((a, b) => (a.queued[lane] ?? 0) - (b.queued[lane] ?? 0));
    let joined = 0;
    let lacking: (InboxLane | undefined)[] = [];
    events.forEach((event, index) => {
      // Who lacks an event lacks all later ones too, so the array changes only when somebody joins.
      const before = joined;
      for (; (joining[joined]?.queued[lane] ?? Infinity) < event.position; joined++);
      if (joined > before) {
        lacking = [];
        for (const inbox of joining.slice(0, joined)) lacking[inbox.lane] = inbox;
      }
      if (joined === 0) return;
      const body = bodies[line + index] ?? '';
      queue.push({ lane, event, body, bytes: Buffer.byteLength(body), takers: lacking });
    });
  }

  private queue(lane: number): LaneQueue {
    return this.queues[lane] as LaneQueue;
  }
}
