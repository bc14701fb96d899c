import { seededBug } from '@huizhi/runtime';
import { cursors, openings, revocations } from '../metrics.js';
import type { GatewayPublisher } from '../delivery/gateway-publisher.js';
import { refusedLogin, type InboxLane } from './inbox-lane.js';
import { owedOf } from '../sql/devices.js';
import type { Entry, EntryPlan, LaneSessionWork } from './plan.js';
import { NOTHING, type Device, type User } from './user.js';
import {
  highestCursor,
  userOf,
  type CursorPlan,
  type OpeningPlan,
  type RevocationPlan,
  type SessionPlan,
} from './plan-sessions.js';

/** Runs after the commit: updates the memory to the committed state, then answers callers and gateways. */
export class AfterCommit {
  constructor(
    private readonly gatewayPublisher: GatewayPublisher,
    private readonly generation: () => string,
  ) {}

  settle(works: readonly LaneSessionWork[], plan: SessionPlan, { entries }: EntryPlan): void {
    for (const { user, seq } of entries) user.head = seq;
    // In the order of the transaction: a login starts at the cursor that its device's previous session has just stored.
    for (const cursor of plan.cursors) if (cursor.lane.state !== 'lost') this.cursor(cursor);
    for (const opening of plan.openings) {
      if (opening.lane.state !== 'lost') this.open(opening, plan);
    }
    for (const { lane, checks } of works) {
      if (lane.state === 'lost') continue;
      lane.checks.splice(0, checks.length);
      for (const check of checks) check.decide(userOf(lane, check.user));
    }
    for (const one of plan.revocations) if (one.lane.state !== 'lost') this.revoke(one, plan.tokensValidFrom);
    for (const entry of entries) this.deliver(entry);
    this.gatewayPublisher.flush();
  }

  private deliver({ user, seq, item, row }: Entry): void {
    for (const session of user.live) {
      if (seq <= session.from) continue;
      const line = session.device.id === row.skipDevice || item.body === '' ? undefined : item;
      this.gatewayPublisher.deliver(session.gateway, session.session, seq, line);
    }
  }

  private open({ opening, lane, user, write, removed, refused }: OpeningPlan, { lacking, owed }: SessionPlan): void {
    removeOne(lane.pendingLogins, opening);
    if (refused) {
      const isOvertaken = refused === 'overtaken';
      openings.inc({ outcome: isOvertaken ? 'overtaken' : 'revoked' });
      return opening.answer(isOvertaken ? { ...refusedLogin('unavailable'), overtaken: true } : refusedLogin(refused));
    }
    const { device: id, gateway, session, login: number } = opening.request;
    if (removed) this.remove(lane, user, removed);
    const device = user.devices.get(id) ?? {
      id,
      epoch: 0,
      cursor: write?.cursor ?? 0,
      revokedEpoch: 0,
      resync: false,
      owed: NOTHING,
      session: undefined,
    };
    const { head } = user;
    if (write) {
      const row = owed.get(write);
      device.epoch = write.epoch;
      device.resync = lacking.has(write);
      device.owed = row ? owedOf(row, head) : { head, last: head, waiting: head - device.cursor };
    }
    if (seededBug('bug.user-wide-cursor')) device.cursor = highestCursor(user);
    // Last in the map, which is ordered from the longest unseen device.
    user.devices.delete(id);
    user.devices.set(id, device);
    const before = lane.register(user, device, gateway, session, performance.now(), { number, began: opening.began });
    if (before) this.gatewayPublisher.kick(before.gateway, before.session);
    openings.inc({ outcome: write ? 'opened' : 'repeated' });
    const { epoch, cursor, resync } = device;
    // The count since the lost answer is unknown here, so every later entry counts as waiting.
    const since = head - device.owed.head;
    opening.answer({
      epoch,
      cursor,
      head,
      last: since > 0 ? head : device.owed.last,
      waiting: device.owed.waiting + since,
      generation: this.generation(),
      ...(resync && { resync }),
    });
  }

  /**
   * Updates the memory like the statement updated the rows. A session that this owner does not know is closed when it
   * attaches.
   */
  private revoke({ revocation, lane, user }: RevocationPlan, tokensValidFrom: ReadonlyMap<string, number>): void {
    removeOne(lane.revocations, revocation);
    user.tokensValidFrom = tokensValidFrom.get(user.id) ?? user.tokensValidFrom;
    const sessions = user.live;
    for (const device of user.devices.values()) device.revokedEpoch = device.epoch += 1;
    for (const session of sessions) {
      this.gatewayPublisher.revoked(session.gateway, session.session);
      lane.forgetSession(session);
    }
    revocations.inc();
    revocation.answer({ tokensValidFrom: user.tokensValidFrom, sessions: sessions.length });
  }

  private remove(lane: InboxLane, user: User, device: Device): void {
    user.devices.delete(device.id);
    if (!device.session) return;
    this.gatewayPublisher.kick(device.session.gateway, device.session.session);
    lane.forgetSession(device.session);
  }

  private cursor({ work, lane, device, write, cursor }: CursorPlan): void {
    const key = `${work.gateway} ${work.session}`;
    // A higher cursor may have arrived meanwhile: it stays queued for the next transaction.
    if (lane.cursors.get(key) === work) lane.cursors.delete(key);
    if (!device) {
      cursors.inc({ outcome: 'refused' });
      this.gatewayPublisher.over(work.gateway, work, lane.users.get(work.user)?.devices.get(work.device));
      return;
    }
    cursors.inc({ outcome: write ? 'stored' : 'repeated' });
    device.cursor = Math.max(device.cursor, cursor);
    this.gatewayPublisher.confirm(work.gateway, work.session, device.cursor);
  }
}

function removeOne<T>(queue: T[], one: T): void {
  const index = queue.indexOf(one);
  if (index >= 0) queue.splice(index, 1);
}
