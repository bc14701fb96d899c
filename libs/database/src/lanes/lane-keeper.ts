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
 * Why an instance stops being a lane's owner. `database`: it cannot know any more what is committed; it still listens, and
 * takes the lane again (with a higher epoch) as soon as the database answers. `taken`: another instance is the owner.
 * `released`: given up in order, after everything queued was finished.
 */
export type LossReason = 'database' | 'taken' | 'released';

/** The compare-and-set found another epoch or head: this instance is not the owner. Nothing was written. */
export class LaneLostError extends Error {
  override readonly name = 'LaneLostError';

  constructor(readonly lanes: number[]) {
    super(`no longer the owner of lanes ${lanes.join(', ')}`);
  }
}

/** What `refuseIf` of a {@link FencedWork} asks was so: nothing was written. */
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
  /** The connection the owner writes through: ticks and transactions take turns on it and never wait for each other's locks. */
  connection: DedicatedConnection;
  bus: Bus;
  log: Logger;
  /** How long a silent owner keeps its lanes. */
  leaseMs?: number;
  tickMs?: number;
  /** How far the clock of this machine may be from the database's. Default 5,000. */
  clockBoundMs?: number;
  /** How long a {@link LaneKeeper.turn} may last. */
  turnLimitMs?: number;
  /** Loads what the lanes need; they count as held once it resolves. A rejection gives them back. */
  onTaken(lanes: HeldLane[]): Promise<void>;
  /** Forget these lanes' memory and say nothing to anyone. */
  onLost(lanes: number[], reason: LossReason): void;
  /** Finish what is queued for these lanes and take nothing new. Bounded by the lease: who is slower is overtaken. */
  onReleasing(lanes: number[]): Promise<void>;
}

/**
 * Which lanes this instance owns. One mechanism for conversations (message) and inboxes (offline).
 *
 * A lane is a row `owner, epoch, lease_until, head`. Who finds a lease expired takes the lane by one conditional update
 * that raises `epoch`; who stops releases it at once; live instances share fairly. None of that is needed for safety:
 * every transaction of an owner is a {@link write}, which fails unless epoch and head are the ones it knows. So
 * there are no holes in positions and no two writers, however long an owner was frozen or cut off.
 */
export class LaneKeeper {
  /** For times that are stored. It is right as soon as a lane is held. */
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
  /** Milliseconds from the last tick until another's lease may run out. */
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

  /** True while the lane is being given up: finish what is queued, take nothing new. */
  isReleasing(lane: number): boolean {
    return this.releasing.has(lane);
  }

  /** `ok`, or why lanes are not being kept. */
  status(): string {
    return this.lastFailure ?? 'ok';
  }

  /** One turn of the owner's writer, whatever it waits for. While one does not come to its end, leases run out. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    return this.stalls.watch(work);
  }

  /** `ok`, or that a turn or a tick does not end, which only a new process mends. */
  stallStatus(): string {
    return this.stalls.status();
  }

  /**
   * An owner's transaction: the lanes' heads move and `work` is done, or neither. With `more` it is not a single statement but the
   * first of a transaction.
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

  /** After the commit: the heads are these now. */
  committed(moves: LaneMove[]): void {
    for (const { lane, epoch, to } of moves) {
      const held = this.owned.get(lane);
      if (held?.epoch !== epoch) continue;
      held.head = to;
      this.announcer.moved(lane);
    }
  }

  /** This instance cannot know these lanes' state any more. They are taken again, if still free, within a tick. */
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

  /** Finishes what is queued, gives all lanes back at once, and tells the others. */
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
    // Jitter, so that instances started together do not go on ticking together.
    const soon = 20 + Math.random() * 30;
    const regular = this.tickMs * (0.8 + Math.random() * 0.4);
    // Who is gone is replaced when its lease ends, and not up to a tick later.
    const delay = this.nudged ? soon : Math.min(regular, this.expiresIn + soon);
    this.nudged = false;
    this.expiresIn = Infinity;
    this.timer = setTimeout(() => void this.run(), delay);
  }

  /** One tick, which whoever stops waits for, and then the next one's time. */
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
   * Who cannot serve says no longer that it lives, and its leases run out. Who can takes its lanes; if nobody can, because the bus is
   * away for all, it goes on with what it has when that is over.
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

  /** Cut off from the bus nobody can ask this instance for anything; with a writer that does not come back it answers nobody. */
  private hindrance(): string | undefined {
    if (!this.options.bus.connected) return 'not connected to NATS';
    const turns = this.stallStatus();
    return turns === 'ok' ? undefined : turns;
  }

  /** Renews what is held, takes what is free up to a fair share, says what is beyond it. */
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

  /** A lane lost with the database and not free to take again has another owner now. */
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
      // They are no longer served, released or not: held on to, they would stay so. Taken anew they begin from the start.
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

  /** Those of these lanes of which this instance knows an older epoch only. */
  private overtaken(lanes: readonly HeldLane[]): number[] {
    const known = (lane: number): number => this.owned.get(lane)?.epoch ?? this.suspended.get(lane) ?? Infinity;
    return lanes.filter(({ lane, epoch }) => epoch > known(lane)).map(({ lane }) => lane);
  }

  /**
   * Another instance has taken these lanes. Cut off from the database this is the only way to hear of it, and who went on
   * answering for them would speak over their owner. In turn with the works on the connection: what is under way ends first.
   */
  private async giveWay(lanes: readonly HeldLane[]): Promise<void> {
    await this.options.connection.exclusive(() => Promise.resolve()).catch(() => undefined);
    const gone = this.overtaken(lanes);
    const suspended = gone.filter((lane) => this.suspended.delete(lane));
    if (suspended.length > 0) this.options.onLost(suspended, 'taken');
    this.forget(gone, 'taken');
  }
}
