import type { Feed } from '../feed/feed.js';
import type { LaneQueue } from '../feed/lane-queue.js';
import type { Recipients } from '../recipients.js';
import type { InboxLane, PendingLogin, Revocation } from './inbox-lane.js';
import type { Batch, LaneSessionWork, Slice } from './plan.js';

/** Limit of inbox rows per transaction; a single event with more recipients has its own transaction. */
export const MAX_ROWS = 5_000;
/** Limit of events examined per transaction: most of them may have no recipient here. */
const MAX_EVENTS = 10_000;
const MAX_OPENINGS = 300;
const MAX_CURSORS = 2_000;
const MAX_CHECKS = 1_000;
const MAX_REVOCATIONS = 100;

/** Collects the work of the next transaction without removing it from the queues. */
export function collectBatch(lanes: Iterable<InboxLane>, feed: Feed, recipients: Recipients): Batch {
  const works: LaneSessionWork[] = [];
  for (const lane of lanes) if (lane.hasWork) works.push(worksOf(lane));
  return { works, slices: slicesOf(feed, recipients) };
}

function worksOf(lane: InboxLane): LaneSessionWork {
  const revocations = revocationsOf(lane);
  return {
    lane,
    revocations,
    openings: openingsOf(lane, new Set(revocations.map(({ user }) => user))),
    cursors: [...first(lane.cursors.values(), MAX_CURSORS)],
    checks: lane.checks.slice(0, MAX_CHECKS),
  };
}

/** Each user once, because all revocations are one statement. */
function revocationsOf(lane: InboxLane): Revocation[] {
  const byUser = new Map<string, Revocation>();
  for (const revocation of lane.revocations) {
    if (byUser.size === MAX_REVOCATIONS) break;
    if (!byUser.has(revocation.user)) byUser.set(revocation.user, revocation);
  }
  return [...byUser.values()];
}

/** At most one login per user: a second depends on the result of the first. None for a user with a revocation. */
function openingsOf(lane: InboxLane, users: Set<string>): PendingLogin[] {
  const openings: PendingLogin[] = [];
  for (const opening of lane.pendingLogins) {
    if (openings.length === MAX_OPENINGS) break;
    if (users.has(opening.request.user)) continue;
    users.add(opening.request.user);
    openings.push(opening);
  }
  return openings;
}

function slicesOf(feed: Feed, recipients: Recipients): Slice[] {
  const slices: Slice[] = [];
  const budget = { rows: MAX_ROWS, events: MAX_EVENTS };
  for (const queue of feed.waiting()) {
    const slice = sliceOf(queue, recipients, budget);
    if (slice.items.length > 0) slices.push(slice);
    if (budget.rows <= 0 || budget.events <= 0) break;
  }
  return slices;
}

function sliceOf(queue: LaneQueue, recipients: Recipients, budget: { rows: number; events: number }): Slice {
  const slice: Slice = { queue, items: [] };
  for (let i = 0; i < queue.length && budget.events > 0; i++) {
    const item = queue.at(i);
    if (!item) break;
    // Every inbox lane that this event was queued for is lost: no recipients are needed.
    const wanted = item.takers.some((lane) => lane?.takesEvents);
    const who = wanted ? recipients.of(item.lane, item.event) : [];
    if (!who) break;
    if (who.length > budget.rows && budget.rows < MAX_ROWS) {
      budget.rows = 0;
      break;
    }
    slice.items.push({ item, recipients: who });
    budget.rows -= who.length;
    budget.events -= 1;
  }
  return slice;
}

function* first<T>(values: Iterable<T>, count: number): Generator<T> {
  let left = count;
  for (const value of values) {
    if (left-- === 0) return;
    yield value;
  }
}
