import type { LaneAnnouncement } from '@huizhi/protocol';

/**
 * Which instance was last heard to own which lanes, so that what is for several of them is one bus message. Only a short cut: what is
 * not answered is said again on the lane's own subject, which its owner listens to whoever it is.
 */
export class LaneOwners {
  private readonly lanes = new Map<number, { owner: string | undefined; epoch: number }>();

  /**
   * An owner speaks of its lanes. Returns those that have just got it: what its predecessor was told, it may not know. Epochs say so and
   * owners repeat them, so one announcement lost hides nobody for longer than a second.
   */
  hear({ owner, lanes, released = [] }: LaneAnnouncement): number[] {
    const fresh: number[] = [];
    for (const { lane, epoch } of lanes) {
      const known = this.lanes.get(lane);
      if (known && known.epoch > epoch) continue;
      if (known?.epoch !== epoch) fresh.push(lane);
      this.lanes.set(lane, { owner, epoch });
    }
    for (const lane of released) {
      const known = this.lanes.get(lane);
      if (known?.owner === owner) this.lanes.set(lane, { owner: undefined, epoch: known.epoch });
    }
    return fresh;
  }

  of(lane: number): string | undefined {
    return this.lanes.get(lane)?.owner;
  }
}
