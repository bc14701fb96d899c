import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTestDatabase, Nats, TcpProxy } from '@huizhi/dev-env';
import { Bus, resetFailpoints, silentLogger } from '@huizhi/runtime';
import pg from 'pg';
import { prepareDatabase } from '../migrations/prepare.js';
import { OfflineService } from '../offline-service.js';
import { FakeGateway } from './fake-gateway.js';
import { FakeMessage } from './fake-message.js';

export const LANES = 4;
export const HZ_MESSAGE_LANES = 8;

export interface Instance {
  service: OfflineService;
  bus: Bus;
  /** Stops the instance gracefully. */
  stop(): Promise<void>;
}

/** Real PostgreSQL and NATS; the test acts as the message service and the gateways. */
export class OfflineFixture {
  private readonly instances: Instance[] = [];
  private readonly proxies: TcpProxy[] = [];
  private gateways = 0;

  private constructor(
    readonly url: string,
    readonly nats: Nats,
    readonly bus: Bus,
    readonly admin: pg.Client,
    readonly message: FakeMessage,
    private readonly close: () => Promise<void>,
  ) {}

  static async start(): Promise<OfflineFixture> {
    const database = await makeTestDatabase('offline');
    await prepareDatabase({ url: database.url, applicationName: 'test', lanes: LANES, messageLanes: HZ_MESSAGE_LANES });
    const admin = new pg.Client({ connectionString: database.url });
    admin.on('error', () => undefined);
    await admin.connect();
    const folder = mkdtempSync(join(tmpdir(), 'hz-offline-'));
    const nats = await Nats.start({ dataDir: folder });
    const bus = Bus.connect({ url: nats.url(), name: 'test', log: silentLogger });
    await bus.ready();
    return new OfflineFixture(database.url, nats, bus, admin, new FakeMessage(bus, HZ_MESSAGE_LANES), async () => {
      await bus.drain();
      await nats.stop();
      await admin.end();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    });
  }

  async instance(
    name: string,
    options: { leaseMs?: number; url?: string; retentionDays?: number; tokenLeewayMs?: number } = {},
  ): Promise<Instance> {
    const bus = Bus.connect({ url: this.nats.url(), name, log: silentLogger });
    await bus.ready();
    const config = {
      HZ_INSTANCE_ID: name,
      HZ_OFFLINE_DATABASE_URL: options.url ?? this.url,
      HZ_OFFLINE_LANES: LANES,
      HZ_MESSAGE_LANES,
      HZ_LEASE: options.leaseMs ?? 1_000,
      HZ_RETENTION_DAYS: options.retentionDays ?? 30,
      HZ_MIN_COMMIT_INTERVAL: 1,
      HZ_TOKEN_LEEWAY: options.tokenLeewayMs ?? 30_000,
    };
    const service = new OfflineService({ config, bus, log: silentLogger });
    await service.start();
    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await service.stop();
      await bus.drain();
      await service.close();
    };
    const instance = { service, bus, stop: () => (stopped ??= stop()) };
    this.instances.push(instance);
    return instance;
  }

  /** An instance whose connection to PostgreSQL can be broken. */
  async instanceBehindProxy(name: string): Promise<Instance & { proxy: TcpProxy }> {
    const direct = new URL(this.url);
    const proxy = await TcpProxy.start({ target: { host: direct.hostname, port: Number(direct.port) } });
    this.proxies.push(proxy);
    const url = new URL(this.url);
    url.host = `${proxy.host}:${proxy.port}`;
    const instance = await this.instance(name, { url: url.href });
    return Object.assign(instance, { proxy });
  }

  /** All instances that were started. */
  get all(): readonly Instance[] {
    return this.instances;
  }

  gateway(): FakeGateway {
    return new FakeGateway(this.bus, `gateway-${++this.gateways}`, LANES);
  }

  /** The rows of a user's inbox, as stored. */
  async inboxOf(user: string): Promise<{ seq: number; lane: number; position: number; skip: string | null }[]> {
    const { rows } = await this.admin.query<{ seq: number; lane: number; position: number; skip: string | null }>(
      `select inbox_seq::float8 as seq, lane, position::float8 as position, skip_device as skip
         from offline.inbox where user_id = $1 order by inbox_seq`,
      [user],
    );
    return rows;
  }

  /** Owner of each lane according to the database, by lane. */
  async owners(): Promise<(string | null)[]> {
    const { rows } = await this.admin.query<{ owner: string | null }>('select owner from offline.lane order by lane');
    return rows.map((row) => row.owner);
  }

  async cursorOf(user: string, device = 'phone'): Promise<number | undefined> {
    const { rows } = await this.admin.query<{ cursor: number }>(
      'select cursor::float8 as cursor from offline.device where user_id = $1 and device_id = $2',
      [user, device],
    );
    return rows[0]?.cursor;
  }

  async stop(): Promise<void> {
    resetFailpoints();
    await Promise.all(this.proxies.map((proxy) => proxy.heal()));
    await Promise.allSettled(this.instances.map((instance) => instance.stop()));
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await this.close();
  }
}

/** Resolves when the condition holds. Checks it every 10 ms. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'a condition',
  boundMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + boundMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${boundMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
