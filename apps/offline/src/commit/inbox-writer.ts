import { Backoff, deferred, failpointAsync, pause, rateLimited, type Logger } from '@huizhi/runtime';
import { LaneLostError, type DedicatedConnection, type LaneKeeper, type LaneMove } from '@huizhi/database';
import type pg from 'pg';
import { loseCommitOutcome } from '../failpoints.js';
import type { Feed } from '../feed/feed.js';
import { entries, transactionRows, transactions, transactionSeconds } from '../metrics.js';
import type { Recipients } from '../recipients.js';
import { apply } from '../sql/apply.js';
import { openDevices, readOwed, removeDevices, type DeviceOpening } from '../sql/devices.js';
import { revokeTokens } from '../sql/revocations.js';
import { collectBatch } from './collect-batch.js';
import type { InboxLane } from './inbox-lane.js';
import { loadUsers, readyOf, cacheMissesOf } from './load-users.js';
import { planEntries, settleApplied, type Batch, type EntryPlan } from './plan.js';
import { planSessions, type SessionPlan } from './plan-sessions.js';
import type { AfterCommit } from './after-commit.js';

/** A vector that moved without entries is written with the lane's next transaction, or after this time in ms. */
const LAZY_MS = 1_000;

export interface InboxWriterOptions {
  readonly connection: DedicatedConnection;
  readonly keeper: Pick<LaneKeeper, 'held' | 'turn' | 'write' | 'committed' | 'forget'>;
  readonly feed: Feed;
  readonly recipients: Recipients;
  readonly afterCommit: AfterCommit;
  readonly lanes: ReadonlyMap<number, InboxLane>;
  readonly paceMs: number;
  /** How far an accepted token's issue time may be ahead of the database's clock, in milliseconds. */
  readonly tokenLeewayMs: number;
  readonly log: Logger;
}

interface TransactionPlan {
  readonly entries: EntryPlan;
  readonly works: SessionPlan;
  /** The lanes that this transaction writes, each fenced. */
  readonly lanes: Set<InboxLane>;
}

/**
 * The only writer of this instance's inbox lanes. Entries, logins and cursors go through one loop and one connection,
 * so that memory equals the committed state.
 *
 * No queue and no memory changes until the commit is known, so a failed transaction changes nothing. When the outcome
 * is unknown, the lanes are forgotten and read again.
 */
export class InboxWriter {
  private readonly stopped = new AbortController();
  private readonly backoff = new Backoff(50, 2_000);
  private readonly log: Logger;
  private bell = deferred();
  private running: Promise<void> | undefined;
  /** Rotates which queues load their cache misses first. */
  private turn = 0;

  constructor(private readonly options: InboxWriterOptions) {
    this.log = rateLimited(options.log);
  }

  start(): void {
    this.running = this.run();
  }

  /** Starts a step if the writer is idle; there may be work. */
  wake(): void {
    this.bell.resolve();
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    this.wake();
    await this.running;
  }

  /** Resolves when no work waits in these lanes, or when they are lost. */
  async drained(lanes: readonly InboxLane[]): Promise<void> {
    const busy = (lane: InboxLane): boolean => lane.state !== 'lost' && (lane.hasWork || lane.dirtySince !== undefined);
    while (lanes.some(busy) && !this.stopped.signal.aborted) {
      this.wake();
      await pause(2, this.stopped.signal);
    }
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      await this.bell.promise;
      this.bell = deferred();
      // The first transaction after an idle period starts at once; under load, work that arrives meanwhile shares the
      // next one.
      if (await this.options.keeper.turn(() => this.step())) {
        this.wake();
        if (this.options.paceMs > 0) await pause(this.options.paceMs, signal);
      }
    }
  }

  /** @returns whether there was work */
  private async step(): Promise<boolean> {
    const lanes = this.current();
    const batch = collectBatch(lanes, this.options.feed, this.options.recipients);
    const late = lanes.filter((lane) => isLate(lane, performance.now()));
    if (batch.works.length === 0 && batch.slices.length === 0 && late.length === 0) return false;
    const involved = new Set([...batch.works.map((works) => works.lane), ...late]);
    try {
      await this.carryOut(batch, involved);
      this.backoff.reset();
    } catch (error) {
      transactions.inc({ outcome: 'failed' });
      await this.recover(error, involved);
    }
    return true;
  }

  private async carryOut(batch: Batch, involved: Set<InboxLane>): Promise<void> {
    const { connection, afterCommit, keeper, feed } = this.options;
    const cacheMisses = cacheMissesOf(batch, this.turn++);
    for (const lane of cacheMisses.values()) involved.add(lane);
    await loadUsers(connection, cacheMisses);
    const ready = readyOf(batch);
    const plan: TransactionPlan = {
      entries: planEntries(ready.slices),
      works: planSessions(ready.works),
      lanes: new Set([...involved].filter((lane) => mustWrite(lane, ready))),
    };
    for (const lane of plan.entries.lanes) plan.lanes.add(lane);
    for (const lane of plan.lanes) involved.add(lane);

    const moves = plan.lanes.size > 0 ? await this.commit(plan) : [];
    keeper.committed(moves);
    for (const lane of plan.lanes) lane.dirtySince = undefined;
    settleApplied(plan.entries, plan.lanes, performance.now());
    for (const { queue, items } of ready.slices) queue.shift(items.length);
    afterCommit.settle(ready.works, plan.works, plan.entries);
    if (plan.lanes.size > 0) await failpointAsync('offline.after-delivery');
    for (const lane of plan.lanes) lane.evict();
    feed.applied();
  }

  private async commit(plan: TransactionPlan): Promise<LaneMove[]> {
    const end = transactionSeconds.startTimer();
    await failpointAsync('offline.before-commit');
    const moves = await this.write(plan);
    await loseCommitOutcome();
    end();
    transactions.inc({ outcome: 'committed' });
    transactionRows.observe(plan.entries.entries.length);
    entries.inc(plan.entries.entries.length);
    await failpointAsync('offline.after-commit');
    return moves;
  }

  /** The fencing moves: head + 1 in each lane. @throws LaneLostError */
  private moves(lanes: Iterable<InboxLane>): LaneMove[] {
    return [...lanes].map(({ lane, epoch, state }) => {
      const held = this.options.keeper.held(lane);
      if (held?.epoch !== epoch || state === 'lost') throw new LaneLostError([lane]);
      return { lane, epoch, from: held.head, to: held.head + 1 };
    });
  }

  /** Entries and cursors alone are one statement. Logins and revocations, which are rarer, need a transaction. */
  private async write({ lanes, entries: { entries: planned, applied }, works }: TransactionPlan): Promise<LaneMove[]> {
    const moves = this.moves(lanes);
    const work = apply(
      planned.map((entry) => entry.row),
      [...lanes].map((lane) => ({ lane: lane.lane, applied: applied.get(lane) ?? lane.applied })),
      works.cursors.map((one) => one.write).filter((one) => one !== undefined),
    );
    const more = works.revocations.length > 0 || works.openings.some((one) => one.write);
    await this.options.keeper.write(moves, work, more ? (client) => this.writeMore(client, works) : undefined);
    return moves;
  }

  private async writeMore(client: pg.ClientBase, works: SessionPlan): Promise<void> {
    const { openings, revocations, lacking, tokensValidFrom } = works;
    const removed = openings.flatMap(({ user, removed }) => (removed ? [{ user: user.id, device: removed.id }] : []));
    if (removed.length > 0) await removeDevices(client, removed);
    const opened = openings.map((one) => one.write).filter((one) => one !== undefined);
    for (const { user, device } of opened.length > 0 ? await openDevices(client, opened) : []) {
      const one = opened.find((opening) => opening.user === user && opening.device === device);
      if (one) lacking.add(one);
    }
    await this.readOwed(client, works);
    const revoked = revocations.map(({ user }) => user.id);
    const rows = revoked.length > 0 ? await revokeTokens(client, revoked, this.options.tokenLeewayMs) : [];
    for (const row of rows) tokensValidFrom.set(row.user, row.tokensValidFrom);
  }

  /** Skips users with one device, unless entries were dropped: all entries beyond the cursor wait for that device. */
  private async readOwed(client: pg.ClientBase, { openings, lacking, owed }: SessionPlan): Promise<void> {
    const asked: DeviceOpening[] = [];
    for (const { user, write } of openings) {
      if (!write || Math.max(user.head, user.next) <= write.cursor) continue;
      const devices = user.devices.size + (user.devices.has(write.device) ? 0 : 1);
      if (devices > 1 || lacking.has(write)) asked.push(write);
    }
    if (asked.length === 0) return;
    for (const row of await readOwed(client, asked)) {
      const one = asked.find(({ user, device }) => user === row.user && device === row.device);
      if (one) owed.set(one, row);
    }
  }

  /** After any error, forgets the state that is in doubt, so that it is read again. Nothing is answered. */
  private async recover(error: unknown, involved: ReadonlySet<InboxLane>): Promise<void> {
    const { keeper } = this.options;
    if (error instanceof LaneLostError) {
      keeper.forget(error.lanes, 'taken');
      return;
    }
    const lanes = [...involved].filter((lane) => lane.state !== 'lost').map((lane) => lane.lane);
    this.log.warn('commit.failed', { lanes, error });
    keeper.forget(lanes, 'database');
    await pause(this.backoff.next(), this.stopped.signal);
  }

  /** Lanes that this instance owns and has loaded; lanes of a take-over in progress are not included yet. */
  private current(): InboxLane[] {
    const { lanes, keeper } = this.options;
    return [...lanes.values()].filter((lane) => lane.state !== 'lost' && keeper.held(lane.lane)?.epoch === lane.epoch);
  }
}

function isLate(lane: InboxLane, now: number): boolean {
  return lane.dirtySince !== undefined && (lane.state === 'leaving' || now - lane.dirtySince >= LAZY_MS);
}

function mustWrite(lane: InboxLane, batch: Batch): boolean {
  if (lane.state === 'lost') return false;
  return lane.dirtySince !== undefined || batch.works.some((works) => works.lane === lane);
}
