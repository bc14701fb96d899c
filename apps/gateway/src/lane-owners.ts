import type { LaneAnnouncement } from '@huizhi/protocol';

/**
 * The last announced owner of each lane, so that data for several lanes of one owner becomes one bus message. It is
 * only an optimisation: unanswered data is sent again on the subject of the lane, to which its owner subscribes.
 */
export class LaneOwners {
  private readonly lanes = new Map<number, { owner: string | undefined; epoch: number }>();

  /**
   * Applies an owner's announcement. Owners repeat their epochs, so a lost announcement has no lasting effect.
   * @returns lanes with a new epoch; their new owner may not have what was sent to its predecessor
   */
  announced({ owner, lanes, released = [] }: LaneAnnouncement): number[] {
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
