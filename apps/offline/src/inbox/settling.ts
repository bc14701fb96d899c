import { cursors, openings } from '../metrics.js';
import type { Outbox } from '../gateways/outbox.js';
import type { InboxLane, Opening } from './inbox-lane.js';
import type { Entry, EntryPlan, LaneWorks } from './plan.js';
import type { Device, User } from './user.js';
import { userOf, type CursorPlan, type OpeningPlan, type WorksPlan } from './plan-works.js';

/** After the commit: memory follows the database, then those who wait are told. */
export class Settling {
  constructor(
    private readonly outbox: Outbox,
    private readonly generation: () => string,
  ) {}

  settle(works: readonly LaneWorks[], plan: WorksPlan, { entries }: EntryPlan): void {
    for (const { user, seq } of entries) user.head = seq;
    for (const opening of plan.openings) {
      if (opening.lane.state !== 'lost') this.open(opening, plan.lacking);
    }
    for (const cursor of plan.cursors) if (cursor.lane.state !== 'lost') this.cursor(cursor);
    for (const { lane, checks } of works) {
      if (lane.state === 'lost') continue;
      lane.checks.splice(0, checks.length);
      for (const check of checks) check.decide(userOf(lane, check.user));
    }
    for (const entry of entries) this.deliver(entry);
    this.outbox.flush();
  }

  private deliver({ user, seq, item, row }: Entry): void {
    for (const session of user.live) {
      if (seq <= session.from) continue;
      const line = session.device.id === row.skipDevice || item.body === '' ? undefined : item;
      this.outbox.deliver(session.gateway, session.session, seq, line);
    }
  }

  private open({ opening, lane, user, write, removed }: OpeningPlan, lacking: WorksPlan['lacking']): void {
    removeOne(lane.openings, opening);
    const { device: id, gateway, session } = opening.request;
    if (removed) this.remove(lane, user, removed);
    const device = user.devices.get(id) ?? {
      id,
      epoch: 0,
      cursor: write?.cursor ?? 0,
      resync: false,
      session: undefined,
    };
    if (write) {
      device.epoch = write.epoch;
      device.resync = lacking.has(write);
    }
    // Last in the map: the longest unseen is the first.
    user.devices.delete(id);
    user.devices.set(id, device);
    const before = lane.register(user, device, gateway, session, Date.now());
    if (before) this.outbox.kick(before.gateway, before.session);
    openings.inc({ outcome: write ? 'opened' : 'repeated' });
    const { epoch, cursor, resync } = device;
    const waiting = user.head - cursor;
    opening.answer({
      epoch,
      cursor,
      head: user.head,
      waiting,
      generation: this.generation(),
      ...(resync && { resync }),
    });
  }

  private remove(lane: InboxLane, user: User, device: Device): void {
    user.devices.delete(device.id);
    if (!device.session) return;
    this.outbox.kick(device.session.gateway, device.session.session);
    lane.forgetSession(device.session);
  }

  private cursor({ work, lane, device, write, cursor }: CursorPlan): void {
    const key = `${work.gateway} ${work.session}`;
    // A higher one may have come meanwhile: it stays for the next transaction.
    if (lane.cursors.get(key) === work) lane.cursors.delete(key);
    if (!device) {
      cursors.inc({ outcome: 'refused' });
      this.outbox.kick(work.gateway, work.session);
      return;
    }
    cursors.inc({ outcome: write ? 'stored' : 'repeated' });
    device.cursor = Math.max(device.cursor, cursor);
    this.outbox.confirm(work.gateway, work.session, device.cursor);
  }
}

function removeOne(openings: Opening[], opening: Opening): void {
  const index = openings.indexOf(opening);
  if (index >= 0) openings.splice(index, 1);
}
