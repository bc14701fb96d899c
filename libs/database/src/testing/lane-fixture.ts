import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTestDatabase, Nats } from '@huizhi/dev-env';
import pg from 'pg';
import { Bus, silentLogger } from '@huizhi/runtime';
import { DedicatedConnection } from '../dedicated-connection.js';
import { ensureLanes } from '../lanes/lane-count.js';
import { LaneKeeper, LaneLostError, type LaneKeeperOptions, type LossReason } from '../lanes/lane-keeper.js';
import { createLaneTables, createRefuse, type FencedWork } from '../lanes/lane-sql.js';

export const LANES = 6;
export const LEASE_MS = 600;

export interface Owner {
  readonly keeper: LaneKeeper;
  readonly connection: DedicatedConnection;
  readonly lost: readonly [number[], LossReason][];
  /** Number of lanes that it holds. */
  count(): number;
  /** Appends one row at the next position of a lane. @returns false when this instance is not the owner */
  append(lane: number): Promise<boolean>;
  end(): Promise<void>;
}

type OwnerOptions = Partial<Pick<LaneKeeperOptions, 'onTaken' | 'onReleasing' | 'tickMs' | 'turnLimitMs'>> & {
  natsUrl?: string;
};

/** Real PostgreSQL and NATS, a table of rows in lanes, and owners that do nothing else. */
export class LaneFixture {
  /** In the order of their creation, including those that are still starting. */
  readonly owners: Owner[] = [];

  private constructor(
    readonly url: string,
    readonly admin: pg.Client,
    readonly nats: Nats,
    private readonly close: () => Promise<void>,
  ) {}

  static async start(): Promise<LaneFixture> {
    const database = await makeTestDatabase('message');
    const admin = new pg.Client({ connectionString: database.url });
    admin.on('error', () => undefined);
    await admin.connect();
    for (const statement of [...createLaneTables('message'), createRefuse('message')]) await admin.query(statement);
    await admin.query('create table message.row (lane int, position bigint, owner text, primary key (lane, position))');
    await ensureLanes(admin, 'message', LANES);
    const folder = mkdtempSync(join(tmpdir(), 'hz-lanes-'));
    const nats = await Nats.start({ dataDir: folder });
    return new LaneFixture(database.url, admin, nats, async () => {
      await nats.stop();
      await admin.end();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    });
  }

  async owner(instance: string, options: OwnerOptions = {}): Promise<Owner> {
    const { natsUrl = this.nats.url(), ...more } = options;
    const bus = Bus.connect({ url: natsUrl, name: instance, log: silentLogger });
    await bus.ready();
    const connection = new DedicatedConnection({ url: this.url, schema: 'message', applicationName: instance });
    const lost: [number[], LossReason][] = [];
    const keeper = new LaneKeeper({
      service: 'message',
      schema: 'message',
      lanes: LANES,
      instance,
      connection,
      bus,
      log: silentLogger,
      leaseMs: LEASE_MS,
      onTaken: () => Promise.resolve(),
      onLost: (lanes, reason) => lost.push([lanes, reason]),
      onReleasing: () => Promise.resolve(),
      ...more,
    });
    const owner: Owner = {
      keeper,
      connection,
      lost,
      count: () => [...keeper.heldLanes()].length,
      append: (lane) => append(keeper, lane, instance),
      end: async () => {
        await keeper.stop();
        await connection.close();
        await bus.drain();
      },
    };
    this.owners.push(owner);
    await keeper.start();
    return owner;
  }

  /** Closes an owner's connections to PostgreSQL. */
  async terminate(instance: string): Promise<void> {
    await this.admin.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
      [instance],
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.owners.map((owner) => owner.end()));
    await this.close();
  }
}

async function append(keeper: LaneKeeper, lane: number, owner: string): Promise<boolean> {
  const held = keeper.held(lane);
  if (!held) return false;
  const moves = [{ lane, epoch: held.epoch, from: held.head, to: held.head + 1 }];
  try {
    await keeper.write(moves, appendRow(lane, held.head + 1, owner));
  } catch (error) {
    keeper.forget([lane], error instanceof LaneLostError ? 'taken' : 'database');
    return false;
  }
  keeper.committed(moves);
  return true;
}

const appendRow = (...values: [lane: number, position: number, owner: string]): FencedWork => ({
  name: 'append-row',
  ctes: 'stored as (insert into message.row select $6, $7, $8 where (select held from fence))',
  values,
});
