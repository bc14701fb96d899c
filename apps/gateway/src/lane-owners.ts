import type { LaneNews } from '@huizhi/protocol';

/**
 * Which instance was last heard to own which lanes, so that what is for several of them is one bus message. Only a short cut: what is
 * not answered is said again on the lane's own subject, which its owner listens to whoever it is.
 */
export class LaneOwners {
  private readonly lanes = new Map<number, { owner: string; epoch: number }>();

  hear({ owner, lanes, released = [] }: LaneNews): void {
    for (const { lane, epoch } of lanes) {
      const known = this.lanes.get(lane);
      if (!known || known.epoch <= epoch) this.lanes.set(lane, { owner, epoch });
    }
    for (const lane of released) if (this.lanes.get(lane)?.owner === owner) this.lanes.delete(lane);
  }

  of(lane: number): string | undefined {
    return this.lanes.get(lane)?.owner;
  }
}
