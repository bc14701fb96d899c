import { subjects, type LaneAnnouncement, type LaneService } from '@huizhi/protocol';
import type pg from 'pg';
import { type Bus, type Logger, rateLimited } from '@huizhi/runtime';
import { DatabaseClock } from '../database-clock.js';
import type { DedicatedConnection } from '../dedicated-connection.js';
import { LaneAnnouncer } from './lane-announcer.js';
import { assertLanes } from './lane-count.js';
import { isWorkRefused, LaneSql, lostLanes, type FencedWork, type HeldLane, type LaneMove } from './lane-sql.js';
import { StallWatchdog } from './stall-watchdog.js';

/**
 * Why an instance stops being a lane's owner. `database`: it no longer knows what is committed; it still subscribes,
 * and takes the lane again with a higher epoch when the database answers. `taken`: another instance is the owner.
 * `released`: given up after everything queued was finished.
 */
export type LossReason = 'database' | 'taken' | 'released';

/** The compare-and-set found another epoch or head: this instance is not the owner. Nothing was written. */
export class LaneLostError extends Error {
  override readonly name = 'LaneLostError';

  constructor(readonly lanes: number[]) {
    super(`no longer the owner of lanes ${lanes.join(', ')}`);
  }
}

/** The condition `refuseIf` of a {@link FencedWork} was true: nothing was written. */
export class WorkRefusedError extends Error {
  override readonly name = 'WorkRefusedError';

  constructor(work: string) {
    super(`"${work}" refused itself`);
  }
}

export interface LaneKeeperOptions {
  service: LaneService;
  /** The PostgreSQL schema with the tables of {@link createLaneTables}. */
  schema: string;
  lanes: number;
  instance: string;
  /**
   * The connection that the owner writes through. Ticks and transactions run on it in turn, so they never wait for each
   * other's locks.
   */
  connection: DedicatedConnection;
  bus: Bus;
  log: Logger;
  /** How long an owner keeps its lanes without renewing them, in milliseconds. Default 3,000. */
  leaseMs?: number;
  tickMs?: number;
  /** Limit of the difference between the clocks of this machine and the database, in milliseconds. Default 5,000. */
  clockBoundMs?: number;
  /** Limit of the duration of a {@link LaneKeeper.turn} in milliseconds. */
  turnLimitMs?: number;
  /**
   * Loads the state of the lanes; they count as held once it resolves. After a rejection, a later tick takes them
   * again.
   */
  onTaken(lanes: HeldLane[]): Promise<void>;
  /** Must discard the memory of these lanes and answer nothing for them. */
  onLost(lanes: number[], reason: LossReason): void;
  /**
   * Must finish what is queued for these lanes and accept nothing new. Bounded by the lease: a slower owner loses them.
   */
  onReleasing(lanes: number[]): Promise<void>;
}

/**
 * Owns lanes for this instance. One mechanism for conversations (message) and inboxes (offline).
 *
 * A lane is a row `owner, epoch, lease_until, head`. An instance takes a lane with an expired lease by one conditional
 * update that raises `epoch`. An instance that stops releases its lanes at once, and live instances share them evenly.
 * Safety does not depend on that: every transaction of an owner is a {@link write}, which fails unless epoch and head
 * are those that it knows. So positions have no holes and a lane has no two writers, however long an owner was frozen
 * or cut off.
 */
export class LaneKeeper {
  /** Clock for stored times. It is sampled before a lane is held. */
  readonly clock: DatabaseClock;
  private readonly sql: LaneSql;
  private readonly announcer: LaneAnnouncer;
  private readonly stalls: StallWatchdog;
  private readonly leaseMs: number;
  private readonly tickMs: number;
  private readonly owned = new Map<number, HeldLane>();
  /** Lanes lost with the database, and the epoch they had. */
  private readonly suspended = new Map<number, number>();
  private readonly releasing = new Set<number>();
  private timer: NodeJS.Timeout | undefined;
  private ticking: Promise<void> | undefined;
  private nudged = false;
  /** Milliseconds from the last tick until the lease or heartbeat of another instance may expire. */
  private expiresIn = Infinity;
  private stopping = false;
  private lastFailure: string | undefined = 'not started';
  private readonly failures: Logger;

  constructor(private readonly options: LaneKeeperOptions) {
    this.leaseMs = options.leaseMs ?? 3000;
    this.tickMs = options.tickMs ?? this.leaseMs / 3;
    this.sql = new LaneSql(options.schema, options.instance, this.leaseMs);
    this.announcer = new LaneAnnouncer(options.bus, options.service, options.instance);
    this.stalls = new StallWatchdog(options.turnLimitMs);
    this.failures = rateLimited(options.log);
    this.clock = new DatabaseClock({ boundMs: options.clockBoundMs ?? 5_000, log: options.log });
  }

  /** @throws LaneCountError when the data has another number of lanes */
  async start(): Promise<void> {
    const { bus, service, connection, schema, lanes } = this.options;
    await connection.exclusive((client) => assertLanes(client, schema, lanes));
    if (this.stopping) return;
    bus.subscribe(subjects.lanes(service), (payload) => this.hear(payload));
    bus.onReconnect(() => {
      this.announcer.announce([...this.owned.values()], false);
      this.nudge();
    });
    await this.run();
  }

  /** The lane, if this instance owns it and has loaded it. */
  held(lane: number): HeldLane | undefined {
    return this.owned.get(lane);
  }

  heldLanes(): IterableIterator<HeldLane> {
    return this.owned.values();
  }

  /** True while the lane is being released: finish what is queued and accept nothing new. */
  isReleasing(lane: number): boolean {
    return this.releasing.has(lane);
  }

  /** `ok`, or why lanes cannot be kept. */
  status(): string {
    return this.lastFailure ?? 'ok';
  }

  /** Runs one turn of the owner's writer under the stall watchdog. While a turn does not end, the leases expire. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    return this.stalls.watch(work);
  }

  /** `ok`, or that a turn or a tick does not end, which only a new process fixes. */
  stallStatus(): string {
    return this.stalls.status();
  }

  /**
   * An owner's transaction: moves the heads and does `work`, or neither. With `more` it is not a single statement, but
   * the first statement of a transaction.
   * @throws LaneLostError, WorkRefusedError, and what the connection throws
   */
  async write(
    moves: readonly LaneMove[],
    work: FencedWork,
    more?: (client: pg.Client) => Promise<void>,
  ): Promise<void> {
    const { connection } = this.options;
    try {
      if (!more) return await connection.single((client) => this.sql.advance(client, moves, work));
      await connection.transaction(async (client) => {
        await this.sql.advance(client, moves, work);
        await more(client);
      });
    } catch (error) {
      const lost = lostLanes(error);
      if (lost) throw new LaneLostError(lost);
      throw isWorkRefused(error) ? new WorkRefusedError(work.name) : error;
    }
  }

  /** Call it after the commit: sets the new heads. */
  committed(moves: LaneMove[]): void {
    for (const { lane, epoch, to } of moves) {
      const held = this.owned.get(lane);
      if (held?.epoch !== epoch) continue;
      held.head = to;
      this.announcer.moved(lane);
    }
  }

  /** Gives up lanes whose state is no longer known. They are taken again within a tick if they are free. */
  forget(lanes: number[], reason: 'database' | 'taken'): void {
    const held = lanes.map((lane) => this.owned.get(lane)).filter((one) => one !== undefined);
    if (held.length === 0) return;
    for (const { lane, epoch } of held) {
      this.owned.delete(lane);
      this.announcer.forget(lane);
      this.releasing.delete(lane);
      if (reason === 'database') this.suspended.set(lane, epoch);
    }
    const lost = held.map((one) => one.lane);
    this.options.log.warn('lanes.lost', { lanes: lost, reason });
    this.options.onLost(lost, reason);
    this.nudge();
  }

  /** Finishes what is queued, releases all lanes at once, and announces that. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.ticking;
    await this.release([...this.owned.keys()]).catch((error: unknown) => {
      this.options.log.warn('lanes.release-failed', { error });
    });
    await this.options.connection.exclusive((client) => this.sql.leave(client)).catch(() => undefined);
  }

  private schedule(): void {
    if (this.stopping) return;
    // Jitter, so that instances started together do not tick together.
    const soon = 20 + Math.random() * 30;
    const regular = this.tickMs * (0.8 + Math.random() * 0.4);
    // A dead instance is replaced when its lease expires, not up to a tick later.
    const delay = this.nudged ? soon : Math.min(regular, this.expiresIn + soon);
    this.nudged = false;
    this.expiresIn = Infinity;
    this.timer = setTimeout(() => void this.run(), delay);
  }

  /** Runs one tick, which {@link stop} awaits, and schedules the next one. */
  private run(): Promise<void> {
    this.ticking = this.turn(() => this.tick()).finally(() => {
      this.ticking = undefined;
      this.schedule();
    });
    return this.ticking;
  }

  private nudge(): void {
    if (this.nudged || this.stopping || !this.timer) return;
    this.nudged = true;
    if (this.ticking) return;
    clearTimeout(this.timer);
    this.schedule();
  }

  /**
   * An instance that cannot serve stops renewing its heartbeat and its leases, so another instance takes its lanes. If
   * no instance can serve because the bus is away for all, each keeps its lanes and continues afterwards.
   */
  private async tick(): Promise<void> {
    const hindrance = this.hindrance();
    if (hindrance !== undefined) {
      const failure = `lanes cannot be kept: ${hindrance}`;
      if (failure !== this.lastFailure) this.options.log.warn('lanes.not-renewed', { reason: hindrance });
      this.lastFailure = failure;
      return;
    }
    try {
      const { surplus, taken } = await this.share();
      this.lastFailure = undefined;
      await this.load(taken);
      this.announcer.tick(this.owned.values());
      if (surplus.length > 0) await this.release(surplus);
    } catch (error) {
      this.lastFailure = `lanes cannot be kept: ${(error as Error).message}`;
      this.failures.warn('lanes.tick-failed', { error });
    }
  }

  /** Without the bus no request reaches this instance; with a stuck writer it answers none. */
  private hindrance(): string | undefined {
    if (!this.options.bus.connected) return 'not connected to NATS';
    const turns = this.stallStatus();
    return turns === 'ok' ? undefined : turns;
  }

  /** Renews the held lanes, takes free ones up to a fair share, and returns the surplus. */
  private async share(): Promise<{ surplus: number[]; taken: HeldLane[] }> {
    const { connection, lanes } = this.options;
    const { renewed, asked, share, taken } = await connection.transaction(async (client) => {
      const asked = [...this.owned.values()];
      const { share, expiresIn, clock } = await this.sql.share(client, lanes);
      this.clock.sample(clock.at, clock.sentAt);
      this.expiresIn = expiresIn;
      const renewed = await this.sql.renew(client, asked);
      const want = share - renewed.size;
      const taken = want > 0 ? await this.sql.take(client, want, [...renewed]) : [];
      return { renewed, asked, share, taken };
    });
    this.forget(
      asked.filter((one) => !renewed.has(one.lane) && this.owned.get(one.lane) === one).map((one) => one.lane),
      'taken',
    );
    this.settleSuspended(taken);
    const surplus = Math.max(0, renewed.size - share);
    return { surplus: [...renewed].sort((a, b) => b - a).slice(0, surplus), taken };
  }

  /** A lane lost with the database that could not be taken again has another owner now. */
  private settleSuspended(taken: HeldLane[]): void {
    for (const { lane } of taken) this.suspended.delete(lane);
    const gone = [...this.suspended.keys()];
    this.suspended.clear();
    if (gone.length > 0) this.options.onLost(gone, 'taken');
  }

  private async load(taken: HeldLane[]): Promise<void> {
    if (taken.length === 0) return;
    await this.options.onTaken(taken);
    for (const one of taken) this.owned.set(one.lane, one);
    this.options.log.info('lanes.taken', { lanes: taken.map((one) => one.lane) });
    this.announcer.announce(taken, true);
  }

  private async release(lanes: number[]): Promise<void> {
    if (lanes.length === 0) return;
    for (const lane of lanes) this.releasing.add(lane);
    try {
      await this.options.onReleasing(lanes);
      const still = lanes.map((lane) => this.owned.get(lane)).filter((one) => one !== undefined);
      await this.options.connection.exclusive((client) => this.sql.release(client, still));
      for (const { lane } of still) this.owned.delete(lane);
      const released = still.map((one) => one.lane);
      this.options.onLost(released, 'released');
      this.options.log.info('lanes.released', { lanes: released });
      this.announcer.released(released);
    } catch (error) {
      // The lanes are no longer served, whether released or not. Forget them, so that they are taken and loaded again.
      this.forget(lanes, 'database');
      throw error;
    } finally {
      for (const lane of lanes) this.releasing.delete(lane);
    }
  }

  private hear(payload: Uint8Array): void {
    const { owner, lanes, released } = JSON.parse(new TextDecoder().decode(payload)) as LaneAnnouncement;
    if (owner === this.options.instance) return;
    if (released) this.nudge();
    if (this.overtaken(lanes).length > 0) void this.giveWay(lanes);
  }

  /** The lanes of which this instance knows only an older epoch. */
  private overtaken(lanes: readonly HeldLane[]): number[] {
    const known = (lane: number): number => this.owned.get(lane)?.epoch ?? this.suspended.get(lane) ?? Infinity;
    return lanes.filter(({ lane, epoch }) => epoch > known(lane)).map(({ lane }) => lane);
  }

  /**
   * Another instance has taken these lanes. Without the database this announcement is the only sign, and answers of
   * this instance could contradict the new owner's. Waits its turn on the connection, so that the work in progress ends
   * first.
   */
  private async giveWay(lanes: readonly HeldLane[]): Promise<void> {
    await this.options.connection.exclusive(() => Promise.resolve()).catch(() => undefined);
    const gone = this.overtaken(lanes);
    const suspended = gone.filter((lane) => this.suspended.delete(lane));
    if (suspended.length > 0) this.options.onLost(suspended, 'taken');
    this.forget(gone, 'taken');
  }
}
