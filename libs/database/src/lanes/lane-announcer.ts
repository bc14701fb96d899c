import { subjects, type LaneAnnouncement, type LaneService } from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import type { HeldLane } from './lane-sql.js';

/** A head is announced in this many ticks after a change, so that one lost announcement hides a change only briefly. */
const ANNOUNCE_TICKS = 5;
/** All heads are announced every this many ticks. */
const ANNOUNCE_ALL_TICKS = 15;

/** Announces the lanes of an owner on the bus: that they were taken, their heads, and that they were released. */
export class LaneAnnouncer {
  /** Remaining ticks in which a lane's head is announced. */
  private readonly changed = new Map<number, number>();
  private ticks = 0;

  constructor(
    private readonly bus: Bus,
    private readonly service: LaneService,
    private readonly instance: string,
  ) {}

  moved(lane: number): void {
    this.changed.set(lane, ANNOUNCE_TICKS);
  }

  forget(lane: number): void {
    this.changed.delete(lane);
  }

  /** Announces the heads that changed recently, and periodically all heads. Call it each tick. */
  tick(held: Iterable<HeldLane>): void {
    const all = ++this.ticks % ANNOUNCE_ALL_TICKS === 0;
    const lanes = [...held].filter((one) => all || this.changed.has(one.lane));
    for (const [lane, left] of this.changed) {
      if (left > 1) this.changed.set(lane, left - 1);
      else this.changed.delete(lane);
    }
    this.announce(lanes, false);
  }

  announce(lanes: HeldLane[], taken: boolean): void {
    if (lanes.length > 0) this.say({ owner: this.instance, taken, lanes });
  }

  released(lanes: number[]): void {
    this.say({ owner: this.instance, taken: false, lanes: [], released: lanes });
  }

  private say(announcement: LaneAnnouncement): void {
    this.bus.publish(subjects.lanes(this.service), JSON.stringify(announcement));
  }
}
