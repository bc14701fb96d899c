import type { LaneEvent } from '@huizhi/protocol';
import { Backoff, deferred, pause, type Deferred } from '@huizhi/runtime';
import { repairs } from '../metrics.js';
import type { Semaphore } from './semaphore.js';

/** A range of a lane, as read from the log. */
export interface Range {
  readonly events: readonly LaneEvent[];
  readonly bodies: readonly string[];
  /** The lane's head when it was read. */
  readonly head: number;
}
export type ReadRange = (lane: number, from: number, limit: number) => Promise<Range>;

export interface LaneRepairOptions {
  readonly lane: number;
  readonly slots: Semaphore;
  readonly signal: AbortSignal;
  readonly read: ReadRange;
  /** The lowest position up to which an inbox lane has all events; undefined while no inbox lane is held. */
  lowest(): number | undefined;
  roomy(): boolean;
  take(events: readonly LaneEvent[], bodies: readonly string[]): void;
}

const LIMIT = 500;
/** After this many answers that end below the known head, the end of the log is accepted: the log is authoritative. */
const PATIENCE = 5;

/** Reads the events of one message lane that the bus has lost. One request at a time, until nothing is missing. */
export class LaneRepair {
  private known = 0;
  private forced = false;
  private running: Promise<void> | undefined;
  private room: Deferred<void> | undefined;
  /** Aborts the pause between two attempts. */
  private waiting: AbortController | undefined;

  constructor(private readonly options: LaneRepairOptions) {}

  /** The lane has events up to `head`. */
  headKnown(head: number): void {
    if (head > this.known) this.known = head;
    this.begin();
  }

  /** Ends the pause before the next attempt. Several calls during one pause have one effect. */
  retryNow(): void {
    this.waiting?.abort();
  }

  /** Reads at least once, even when no event is known to be missing. */
  forceRead(): void {
    this.forced = true;
    this.begin();
  }

  roomMade(): void {
    if (this.room && this.options.roomy()) this.room.resolve();
  }

  get lag(): number {
    const lowest = this.options.lowest();
    return lowest === undefined ? 0 : Math.max(0, this.known - lowest);
  }

  ended(): Promise<void> {
    this.retryNow();
    this.room?.resolve();
    return this.running ?? Promise.resolve();
  }

  private begin(): void {
    if (this.running || !this.missing()) return;
    this.running = this.run().finally(() => {
      this.running = undefined;
      // A head may have been announced between the last check and now.
      this.begin();
    });
  }

  private missing(): boolean {
    if (this.options.signal.aborted) return false;
    const lowest = this.options.lowest();
    return lowest !== undefined && (this.forced || lowest < this.known);
  }

  private async run(): Promise<void> {
    const { slots } = this.options;
    const backoff = new Backoff(50, 2_000);
    let fruitless = 0;
    while (this.missing()) {
      await this.roomy();
      const outcome = await slots.use(() => this.readOnce());
      if (outcome === 'advanced') {
        backoff.reset();
        fruitless = 0;
        continue;
      }
      if (outcome === 'short' && ++fruitless >= PATIENCE) this.known = this.options.lowest() ?? 0;
      if (this.missing()) await this.pause(backoff.next());
    }
  }

  private async pause(ms: number): Promise<void> {
    if (this.options.signal.aborted) return;
    this.waiting = new AbortController();
    await pause(ms, this.waiting.signal);
    this.waiting = undefined;
  }

  /** `short`: the log has no event beyond the lowest position. */
  private async readOnce(): Promise<'advanced' | 'short' | 'failed'> {
    const lowest = this.options.lowest();
    if (lowest === undefined || !this.missing()) return 'short';
    this.forced = false;
    try {
      const range = await this.options.read(this.options.lane, lowest + 1, LIMIT);
      if (this.options.signal.aborted) return 'failed';
      if (!continues(range.events, lowest + 1)) throw new Error('the log answered another range');
      repairs.inc({ outcome: 'read' });
      if (range.head > this.known) this.known = range.head;
      if (range.events.length === 0) return 'short';
      this.options.take(range.events, range.bodies);
      return 'advanced';
    } catch {
      // Without an answer nothing is known: read again. No log line, because the message service may be away for long.
      repairs.inc({ outcome: 'failed' });
      this.forced = true;
      return 'failed';
    }
  }

  private async roomy(): Promise<void> {
    if (this.options.roomy()) return;
    this.room = deferred();
    await this.room.promise;
    this.room = undefined;
  }
}

function continues(events: readonly LaneEvent[], from: number): boolean {
  return events.every((event, index) => event.position === from + index);
}
