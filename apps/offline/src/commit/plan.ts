import type { Item, LaneQueue } from '../feed/lane-queue.js';
import type { Recipient } from '../recipients.js';
import type { InboxRow } from '../sql/inbox.js';
import type { AttachCheck, CursorWork, InboxLane, PendingLogin, Revocation } from './inbox-lane.js';
import type { User } from './user.js';

/** Input of one transaction: the first events of some queues, and the work of some lanes. */
export interface Batch {
  readonly slices: Slice[];
  readonly works: LaneSessionWork[];
}
export interface Slice {
  readonly queue: LaneQueue;
  /** Each event with its recipients. */
  readonly items: { item: Item; recipients: readonly Recipient[] }[];
}
export interface LaneSessionWork {
  readonly lane: InboxLane;
  readonly openings: PendingLogin[];
  readonly cursors: CursorWork[];
  readonly checks: AttachCheck[];
  readonly revocations: Revocation[];
}

/** An inbox entry that a transaction writes. */
export interface Entry {
  readonly user: User;
  readonly seq: number;
  readonly item: Item;
  readonly row: InboxRow;
}

/** Result of applying events. The lanes' memory does not contain it until {@link settleApplied}. */
export interface EntryPlan {
  readonly entries: Entry[];
  /** The lanes that get entries. */
  readonly lanes: Set<InboxLane>;
  /** New applied positions of all lanes that an event was queued for. */
  readonly applied: Map<InboxLane, number[]>;
}

let plans = 0;

/** Assigns the next `inboxSeq` per user in the order of the events. All users must be in memory. */
export function planEntries(slices: readonly Slice[]): EntryPlan {
  const number = ++plans;
  const plan: EntryPlan = { entries: [], lanes: new Set(), applied: new Map() };
  for (const { items } of slices) {
    let last: Item | undefined;
    for (const { item, recipients } of items) {
      // Advance to the last event of these takers: earlier events may follow, read again for a lane that was taken
      // again.
      if (last && last.takers !== item.takers) advance(plan, last);
      last = item;
      for (const recipient of recipients) addEntry(plan, number, item, recipient);
    }
    if (last) advance(plan, last);
  }
  return plan;
}

function addEntry(plan: EntryPlan, number: number, item: Item, { user: id, lane: laneNumber }: Recipient): void {
  const lane = item.takers[laneNumber];
  if (!lane?.takesEvents) return;
  const user = lane.users.get(id);
  if (!user) throw new Error('the recipient was not loaded before planning');
  const sent = id === item.event.user;
  if (sent && !hasAnotherDevice(user, item.event.device)) return;
  if (user.plan !== number) {
    user.plan = number;
    user.next = user.head;
  }
  const seq = ++user.next;
  const skipDevice = sent ? item.event.device : null;
  const row = { user: id, seq, lane: item.lane, position: item.event.position, skipDevice };
  plan.entries.push({ user, seq, item, row });
  plan.lanes.add(lane);
}

/** The sending device needs no copy, so a sender without another device gets no entry. */
function hasAnotherDevice(user: User, device: string): boolean {
  return user.devices.size > (user.devices.has(device) ? 1 : 0);
}

function advance(plan: EntryPlan, { takers, lane: messageLane, event: { position } }: Item): void {
  for (const lane of takers) {
    if (!lane?.takesEvents) continue;
    let applied = plan.applied.get(lane);
    if (!applied) plan.applied.set(lane, (applied = [...lane.applied]));
    if ((applied[messageLane] ?? 0) < position) applied[messageLane] = position;
  }
}

/** Copies the planned positions to the lanes' memory. Lanes without entries are written later. */
export function settleApplied(plan: EntryPlan, written: ReadonlySet<InboxLane>, now: number): void {
  for (const [lane, applied] of plan.applied) {
    lane.applied = applied;
    if (!written.has(lane)) lane.dirtySince ??= now;
  }
}
