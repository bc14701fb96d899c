import { decodeLines, subjects, type LaneAnnouncement, type CommittedEvents } from '@huizhi/protocol';
import { failpoint, gauge, type Bus, type Logger } from '@huizhi/runtime';
import {
  assertDirectSession,
  assertMigrated,
  DatabaseProbe,
  dataSourceOptions,
  DedicatedConnection,
  LaneKeeper,
  type HeldLane,
} from '@huizhi/database';
import { DataSource } from 'typeorm';
import type { OfflineConfig } from './config.js';
import { Feed } from './feed/feed.js';
import { Fetcher } from './fetch/fetcher.js';
import { LogClient } from './fetch/log-client.js';
import { GatewayPublisher } from './delivery/gateway-publisher.js';
import { InboxLane } from './commit/inbox-lane.js';
import { InboxWriter } from './commit/inbox-writer.js';
import { Partitions } from './commit/partitions.js';
import { AfterCommit } from './commit/after-commit.js';
import { membersClient } from './members-client.js';
import { migrations, SCHEMA } from './migrations/prepare.js';
import { Recipients } from './recipients.js';
import { SessionRpc } from './sessions/session-rpc.js';
import { readGeneration } from './sql/meta.js';
import { assertVectors, readVectors } from './sql/vectors.js';

export interface OfflineServiceOptions {
  config: Pick<
    OfflineConfig,
    | 'HZ_OFFLINE_DATABASE_URL'
    | 'HZ_OFFLINE_LANES'
    | 'HZ_MESSAGE_LANES'
    | 'HZ_LEASE'
    | 'HZ_RETENTION_DAYS'
    | 'HZ_MIN_COMMIT_INTERVAL'
    | 'HZ_INSTANCE_ID'
    | 'HZ_TOKEN_LEEWAY'
  > &
    Partial<Pick<OfflineConfig, 'HZ_CLOCK_BOUND'>>;
  bus: Bus;
  log: Logger;
}

/**
 * A session without an attach, fetch or cursor for this long is forgotten; gateways attach their sessions every 30 s.
 */
const SESSION_SILENCE_MS = 100_000;
const NO_LIMIT_MS = 2_147_483_647;

/** Creates and wires the parts of the service. It needs no Nest container, so tests run several in one process. */
export class OfflineService {
  readonly keeper: LaneKeeper;
  readonly partitions: Partitions;
  private readonly lanes = new Map<number, InboxLane>();
  private readonly connection: DedicatedConnection;
  private readonly reading: DedicatedConnection;
  private readonly probe: DatabaseProbe;
  private readonly recipients: Recipients;
  private readonly feed: Feed;
  private readonly gatewayPublisher: GatewayPublisher;
  private readonly writer: InboxWriter;
  private readonly sessionRpc: SessionRpc;
  private readonly timers: NodeJS.Timeout[] = [];
  private begun = false;
  private generation = '';

  constructor(private readonly options: OfflineServiceOptions) {
    const { config, bus, log } = options;
    const logClient = new LogClient(bus);
    this.connection = this.connect('writer');
    this.reading = this.connect('reader');
    this.probe = new DatabaseProbe({
      statement: () => this.connection.check(),
      connected: () => this.connection.connected,
    });
    this.gatewayPublisher = new GatewayPublisher(config.HZ_INSTANCE_ID, (gateway, payload) =>
      bus.publish(subjects.gateway(gateway), payload),
    );
    this.recipients = new Recipients({
      lanes: config.HZ_OFFLINE_LANES,
      membersAsOf: membersClient(bus),
      ahead: () => this.feed.ahead(),
      onAnswer: () => this.writer.wake(),
    });
    this.feed = new Feed({
      messageLanes: config.HZ_MESSAGE_LANES,
      readRange: logClient.range,
      onItems: () => this.writer.wake(),
    });
    this.keeper = new LaneKeeper({
      service: 'offline',
      schema: SCHEMA,
      lanes: config.HZ_OFFLINE_LANES,
      instance: config.HZ_INSTANCE_ID,
      connection: this.connection,
      bus,
      log,
      leaseMs: config.HZ_LEASE,
      clockBoundMs: config.HZ_CLOCK_BOUND,
      onTaken: (lanes) => this.taken(lanes),
      onLost: (lanes) => this.lost(lanes),
      onReleasing: (lanes) => this.releasing(lanes),
    });
    this.writer = new InboxWriter({
      connection: this.connection,
      keeper: this.keeper,
      feed: this.feed,
      recipients: this.recipients,
      afterCommit: new AfterCommit(this.gatewayPublisher, () => this.generation),
      lanes: this.lanes,
      paceMs: config.HZ_MIN_COMMIT_INTERVAL,
      tokenLeewayMs: config.HZ_TOKEN_LEEWAY,
      log,
    });
    this.partitions = new Partitions({
      connection: this.connection,
      connectForLong: () => this.connect('maintenance', NO_LIMIT_MS),
      retentionDays: config.HZ_RETENTION_DAYS,
      log,
    });
    const respond = (replyTo: string, payload: string): void => void bus.respond(replyTo, payload);
    const fetcher = new Fetcher(this.reading, logClient.bodies, respond, log);
    this.sessionRpc = new SessionRpc({
      instance: config.HZ_INSTANCE_ID,
      bus,
      lanes: config.HZ_OFFLINE_LANES,
      gatewayPublisher: this.gatewayPublisher,
      fetcher,
      wake: () => this.writer.wake(),
    });
  }

  /**
   * Waits for the database, checks it and takes lanes. May be called again after an error.
   * @throws PendingMigrationsError, PoolerError, LaneCountError: the service must not run on this database
   */
  async start(signal?: AbortSignal): Promise<void> {
    await this.connection.whenConnected(signal);
    if (signal?.aborted) return;
    await this.check();
    this.generation = await this.connection.exclusive(readGeneration);
    await this.partitions.ensure();
    if (signal?.aborted) return;
    this.begin();
    await this.keeper.start();
  }

  /** Writes all accepted work, then gives all lanes back. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.probe.stop();
    await this.keeper.stop();
    this.gatewayPublisher.stop();
    this.recipients.stop();
    await this.feed.stop();
    await this.writer.stop();
  }

  async close(): Promise<void> {
    await Promise.all([this.connection.close(), this.reading.close()]);
  }

  databaseStatus(): string {
    return this.probe.status();
  }

  laneStatus(): string {
    return this.keeper.status();
  }

  private connect(role: string, limitMs?: number): DedicatedConnection {
    const { HZ_OFFLINE_DATABASE_URL: url, HZ_INSTANCE_ID } = this.options.config;
    const limits = limitMs === undefined ? {} : { statementTimeoutMs: limitMs, queryTimeoutMs: limitMs };
    return new DedicatedConnection({ url, schema: SCHEMA, applicationName: `${HZ_INSTANCE_ID} ${role}`, ...limits });
  }

  private async check(): Promise<void> {
    const { HZ_OFFLINE_DATABASE_URL: url, HZ_INSTANCE_ID: applicationName, HZ_MESSAGE_LANES } = this.options.config;
    await assertDirectSession({ url, schema: SCHEMA, applicationName });
    const source = new DataSource(dataSourceOptions({ url, schema: SCHEMA, applicationName, migrations, poolSize: 1 }));
    await source.initialize();
    try {
      await assertMigrated(source);
    } finally {
      await source.destroy();
    }
    await this.connection.exclusive((client) => assertVectors(client, HZ_MESSAGE_LANES));
  }

  /** Runs before lanes are taken, and only once, although `start` may be retried. */
  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.hearMessages();
    this.writer.start();
    this.probe.start();
    this.schedule();
    this.measure();
  }

  private hearMessages(): void {
    const { bus } = this.options;
    bus.subscribe(subjects.committed, (payload) => {
      failpoint('offline.before-events');
      const { head, bodies } = decodeLines<CommittedEvents>(payload);
      this.feed.committed(head, bodies);
    });
    bus.subscribe(subjects.lanes('message'), (payload) => {
      const { lanes, taken } = JSON.parse(new TextDecoder().decode(payload)) as LaneAnnouncement;
      for (const { lane, head } of lanes) this.feed.headAnnounced(lane, head, taken);
    });
    bus.onReconnect(() => this.feed.requestHeads());
  }

  private async taken(held: HeldLane[]): Promise<void> {
    await this.partitions.ensure();
    const numbers = held.map((one) => one.lane);
    const vectors = await this.connection.exclusive((client) => readVectors(client, numbers));
    for (const { lane: number, epoch } of held) {
      const vector = vectors.get(number);
      if (!vector) throw new Error(`offline.inbox_lane has no row for lane ${number}: run the migrations`);
      const lane = new InboxLane(number, epoch, vector);
      this.lanes.get(number)?.lose();
      this.lanes.set(number, lane);
      this.feed.add(lane);
      this.sessionRpc.listen(lane);
    }
    this.feed.requestHeads();
  }

  private lost(numbers: number[]): void {
    for (const lane of this.those(numbers)) {
      this.silence(lane);
      lane.lose();
      this.lanes.delete(lane.lane);
    }
    this.writer.wake();
  }

  private async releasing(numbers: number[]): Promise<void> {
    const lanes = this.those(numbers);
    for (const lane of lanes) {
      lane.state = 'leaving';
      this.silence(lane);
    }
    await this.writer.drained(lanes);
  }

  private silence(lane: InboxLane): void {
    this.sessionRpc.ignore(lane);
    this.feed.remove(lane);
  }

  private those(numbers: number[]): InboxLane[] {
    return numbers.map((number) => this.lanes.get(number)).filter((lane) => lane !== undefined);
  }

  private schedule(): void {
    const every = (ms: number, work: () => void): void => void this.timers.push(setInterval(work, ms).unref());
    every(1_000, () => {
      this.gatewayPublisher.tick();
      this.writer.wake();
    });
    every(10_000, () => this.forgetSilentSessions());
    every(3_600_000, () => void this.maintain());
    void this.maintain();
  }

  private async maintain(): Promise<void> {
    try {
      await this.partitions.ensure();
      await this.partitions.dropExpired();
    } catch (error) {
      this.options.log.warn('partitions.failed', { error });
    }
  }

  private forgetSilentSessions(): void {
    const deadline = performance.now() - SESSION_SILENCE_MS;
    for (const lane of this.lanes.values()) {
      for (const session of lane.sessions) if (session.seenAt < deadline) lane.forgetSession(session);
    }
  }

  private measure(): void {
    const sum = (of: (lane: InboxLane) => number): number =>
      [...this.lanes.values()].reduce((total, lane) => total + of(lane), 0);
    gauge({ name: 'hz_offline_lanes', help: 'Inbox lanes held' }, () => this.lanes.size);
    gauge({ name: 'hz_offline_sessions', help: 'Sessions that get new entries' }, () =>
      sum((lane) => lane.sessions.size),
    );
    gauge({ name: 'hz_offline_users', help: 'Users in memory' }, () => sum((lane) => lane.users.size));
    gauge(
      { name: 'hz_offline_lag_events', help: 'Events that are known and not queued yet, over all lanes' },
      () => this.feed.lag,
    );
    gauge({ name: 'hz_offline_queued_events', help: 'Events that wait to be applied' }, () => this.feed.length);
  }
}
