import type { LaneEvent } from '@huizhi/protocol';
import type { InboxLane } from '../commit/inbox-lane.js';

/** The inbox lanes that lack an event, by lane number. The events of a run share one array. */
export type Takers = readonly (InboxLane | undefined)[];

/** An event that is queued for inboxes. */
export interface Item {
  readonly lane: number;
  readonly event: LaneEvent;
  /** The delivery, as JSON text. */
  readonly body: string;
  readonly bytes: number;
  readonly takers: Takers;
}

const MAX_ITEMS = 4_000;
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Events of one message lane that wait to be applied, in order. Bounded: events beyond the limit are read from the log
 * later.
 */
export class LaneQueue {
  private items: Item[] = [];
  private start = 0;
  private bytes = 0;

  get length(): number {
    return this.items.length - this.start;
  }

  get full(): boolean {
    return this.length >= MAX_ITEMS || this.bytes >= MAX_BYTES;
  }

  /** Less than half full, so that reading the log is worthwhile. */
  get roomy(): boolean {
    return this.length < MAX_ITEMS / 2 && this.bytes < MAX_BYTES / 2;
  }

  at(index: number): Item | undefined {
    return this.items[this.start + index];
  }

  push(item: Item): void {
    this.items.push(item);
    this.bytes += item.bytes;
  }

  /** Removes the first `count` events, which were applied. */
  shift(count: number): void {
    for (let i = 0; i < count; i++) this.bytes -= this.items[this.start + i]?.bytes ?? 0;
    this.start += count;
    if (this.start === this.items.length) this.items = [];
    else if (this.start > 1_000) this.items = this.items.slice(this.start);
    else return;
    this.start = 0;
  }
}
