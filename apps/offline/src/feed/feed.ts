import { setMaxListeners } from 'node:events';
import type { LaneEvent, CommittedEvents } from '@huizhi/protocol';
import { seededBug } from '@huizhi/runtime';
import type { InboxLane } from '../commit/inbox-lane.js';
import { committedRuns } from '../metrics.js';
import { LaneQueue } from './lane-queue.js';
import { LaneRepair, type ReadRange } from './lane-repair.js';
import { Semaphore } from './semaphore.js';

export interface FeedOptions {
  messageLanes: number;
  readRange: ReadRange;
  /** Called when there are new events to apply. */
  onItems(): void;
}

/** Limit of lanes that read the log at the same time. */
const REPAIRS_AT_ONCE = 8;
/** Limit of events per lane that are looked ahead: more than one transaction takes when all lanes are busy. */
const LOOK_AHEAD = 250;

/**
 * Turns committed events, which the bus may lose, duplicate or delay, into a sequence per held inbox lane: every
 * position of every message lane exactly once, in order.
 *
 * An inbox lane takes the events of a run from its next position on and skips those that it has. If the run begins
 * beyond its next position, there is a gap, which is read from the log, the authoritative source. Inbox lanes have
 * different positions only after a take-over; those that are up to date do not wait for the others.
 */
export class Feed {
  private readonly held: (InboxLane | undefined)[] = [];
  private readonly queues: LaneQueue[];
  private readonly repairs: LaneRepair[];
  private readonly stopped = new AbortController();
  /** Rotates which lane comes first, so that a busy lane cannot starve the others. */
  private turn = 0;

  constructor(private readonly options: FeedOptions) {
    const slots = new Semaphore(REPAIRS_AT_ONCE);
    // Each lane may wait on this signal.
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

  /** Collects events for this lane from its applied positions on. */
  add(lane: InboxLane): void {
    this.held[lane.lane] = lane;
  }

  remove(lane: InboxLane): void {
    if (this.held[lane.lane] === lane) this.held[lane.lane] = undefined;
  }

  /** Reads the head of every lane from the log: after a take-over, and after the bus was disconnected. */
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
        committedRuns.inc({ outcome: whole ? 'applied' : 'behind' });
        repair.headKnown(last.position);
      }
      line = end;
    }
  }

  /**
   * Handles the head that a lane's owner announces. If the owner has just `taken` it, the log can be read again: retry
   * now.
   */
  headAnnounced(lane: number, head: number, taken = false): void {
    this.repairs[lane]?.headKnown(head);
    if (taken) this.repairs[lane]?.retryNow();
  }

  /** The queues that have events to apply, starting with another lane each time. */
  *waiting(): Generator<LaneQueue> {
    const first = this.turn++;
    for (let i = 0; i < this.queues.length; i++) {
      const queue = this.queue((first + i) % this.queues.length);
      if (queue.length > 0) yield queue;
    }
  }

  /** Events that wait to be applied: the next event of each lane first, then the second of each. */
  *ahead(): Generator<LaneEvent> {
    const depth = Math.min(LOOK_AHEAD, Math.max(...this.queues.map((queue) => queue.length)));
    for (let i = 0; i < depth; i++) {
      for (const queue of this.queues) {
        const item = queue.at(i);
        if (item) yield item.event;
      }
    }
  }

  /** Call it when the first events of the queues have been applied. */
  applied(): void {
    for (const repair of this.repairs) repair.roomMade();
  }

  /** Number of events that are known to exist and are not queued yet. */
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

  /** The lowest position up to which events of the lane are queued; undefined while no inbox lane is held. */
  private lowest(lane: number): number | undefined {
    let lowest: number | undefined;
    for (const inbox of this.held) {
      const queued = inbox?.queued[lane];
      if (queued !== undefined && (lowest === undefined || queued < lowest)) lowest = queued;
    }
    return lowest;
  }

  /** Queues events for the inbox lanes that lack them. @returns false when a held inbox lane has a gap before them */
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
      // An inbox lane that lacks an event lacks all later ones too: the array changes only when a lane joins.
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
