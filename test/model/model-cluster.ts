import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTestDatabase, Nats } from '@huizhi/dev-env';
import { dataSourceOptions, ensureLanes, runMigrations } from '@huizhi/database';
import pg from 'pg';
import { DataSource } from 'typeorm';

import { databaseOptions, SCHEMA as MESSAGE_SCHEMA } from '../../apps/message/src/database.js';
import { Directory } from '../../apps/message/src/directory/directory.js';
import { User } from '../../apps/message/src/directory/user.entity.js';
import { prepareDatabase, SCHEMA as OFFLINE_SCHEMA } from '../../apps/offline/src/migrations/prepare.js';
import {
  HZ_MESSAGE_LANES,
  HZ_OFFLINE_LANES,
  startGateway,
  startMessage,
  startOffline,
  type ModelServers,
  type Running,
} from './model-servers.js';

export type Owner = 'message' | 'offline';

/**
 * Two gateways, a message service and an offline service in one process, with their own PostgreSQL databases and NATS
 * server.
 */
export class ModelCluster {
  /** Called with each service that starts, before the test uses it. */
  onBegin: (running: Running) => void = () => undefined;
  readonly gateways: (Running & { readonly port: number })[] = [];
  message!: Running;
  offline!: Running;
  private readonly twins: Running[] = [];
  private started = 0;
  private readonly ends: Promise<unknown>[] = [];

  private constructor(
    readonly servers: ModelServers,
    /** One connection per service database, with the role of the service. */
    readonly admins: Readonly<Record<Owner, pg.Client>>,
    private readonly close: () => Promise<void>,
  ) {}

  /** With `twins`, also starts a second message and a second offline service, which share the lanes. */
  static async start({ gateways = 2, twins = false } = {}): Promise<ModelCluster> {
    const [message, offline] = await Promise.all([makeTestDatabase(MESSAGE_SCHEMA), makeTestDatabase(OFFLINE_SCHEMA)]);
    const admins = { message: await adminOf(message.url), offline: await adminOf(offline.url) };
    const tables = databaseOptions(message.url, 'directory');
    await runMigrations(tables);
    await ensureLanes(admins.message, MESSAGE_SCHEMA, HZ_MESSAGE_LANES);
    const lanes = { lanes: HZ_OFFLINE_LANES, messageLanes: HZ_MESSAGE_LANES };
    await prepareDatabase({ url: offline.url, applicationName: 'test', ...lanes });
    const source = await new DataSource(dataSourceOptions(tables)).initialize();
    const directory = new Directory(source.getRepository(User));
    const folder = mkdtempSync(join(tmpdir(), 'hz-model-'));
    const nats = await Nats.start({ dataDir: folder });
    const servers = { natsUrl: nats.url(), messageUrl: message.url, offlineUrl: offline.url, directory };
    const cluster = new ModelCluster(servers, admins, async () => {
      await source.destroy();
      await nats.stop();
      await Promise.all([admins.message.end(), admins.offline.end()]);
      await Promise.all([message.drop(), offline.drop()]);
      rmSync(folder, { recursive: true, force: true });
    });
    cluster.message = await startMessage(servers, cluster.name('message'));
    cluster.offline = await startOffline(servers, cluster.name('offline'));
    for (let n = 0; n < gateways; n++) cluster.gateways[n] = await startGateway(servers, cluster.name('gateway'));
    if (twins) {
      cluster.twins.push(await startMessage(servers, cluster.name('message')));
      cluster.twins.push(await startOffline(servers, cluster.name('offline')));
    }
    return cluster;
  }

  /**
   * Kills the owner and starts another. With the same name it takes the lanes at once, otherwise after the lease has
   * expired.
   */
  async crash(who: Owner, sameName: boolean): Promise<void> {
    const old = this[who];
    this.ends.push(old.kill());
    await this.begin(who, sameName ? old.name : this.name(who));
  }

  /** Starts another instance, then stops this one, which hands over its lanes. */
  async replace(who: Owner): Promise<void> {
    const old = this[who];
    await this.begin(who, this.name(who));
    await old.stop();
  }

  async crashGateway(n: number): Promise<void> {
    this.ends.push(this.gateways[n]!.kill());
    this.gateways[n] = await startGateway(this.servers, this.name('gateway'));
  }

  /** Drains the gateway. Resolves when its clients have left or its time is over. */
  async drainGateway(n: number): Promise<void> {
    const old = this.gateways[n]!;
    this.gateways[n] = await startGateway(this.servers, this.name('gateway'));
    await old.stop();
  }

  /** PostgreSQL terminates all connections of the service. */
  async terminate(who: Owner): Promise<void> {
    await this.admins[who].query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like $1`,
      [`${this[who].name} %`],
    );
  }

  get all(): Running[] {
    return [this.message, this.offline, ...this.twins, ...this.gateways];
  }

  /** Ends all faults that commands have injected. */
  heal(): void {
    for (const one of this.all) {
      one.bus.restore();
      one.bus.fate = () => 'pass';
      one.endings.heal();
    }
  }

  async stop(): Promise<void> {
    this.heal();
    await Promise.allSettled(this.gateways.map((gateway) => gateway.stop()));
    await Promise.allSettled([this.message.stop(), this.offline.stop(), ...this.twins.map((twin) => twin.stop())]);
    await Promise.allSettled(this.ends);
    await this.close();
  }

  private async begin(who: Owner, name: string): Promise<void> {
    const running = await (who === 'message' ? startMessage : startOffline)(this.servers, name);
    this.onBegin(running);
    this[who] = running;
  }

  private name(of: string): string {
    this.started += 1;
    return `${of}-${this.started}`;
  }
}

async function adminOf(url: string): Promise<pg.Client> {
  const admin = new pg.Client({ connectionString: url });
  admin.on('error', () => undefined);
  await admin.connect();
  return admin;
}
