import { subjects, type LaneAnnouncement, type LaneService } from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import type { HeldLane } from './lane-sql.js';

/** A head is announced each tick for this many ticks after a change: one lost announcement hides nothing for long. */
const ANNOUNCE_TICKS = 5;
/** Every so many ticks all heads are announced. */
const ANNOUNCE_ALL_TICKS = 15;

/** What an owner tells everybody of its lanes: that it has taken them, how far they are, that it has given them up. */
export class LaneAnnouncer {
  /** For how many ticks more a lane's head is told. */
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

  /** Each tick: the heads that moved lately, now and then all. */
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

  private say(news: LaneAnnouncement): void {
    this.bus.publish(subjects.lanes(this.service), JSON.stringify(news));
  }
}
